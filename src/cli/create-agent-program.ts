import type { Command } from 'commander';
import { addAgentCommand } from './agent-command.js';
import { baseProgram } from './base-program.js';

/** The one command of a process that lives for months: with all the others loaded beside it, it would hold 5 MiB more. */
export function createAgentProgram(): Command {
  const program = baseProgram();
  addAgentCommand(program);
  return program;
}
