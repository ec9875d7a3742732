import type { Command } from 'commander';
import { addAgentCommand } from './agent-command.js';
import { baseProgram } from './base-program.js';
import { addCertsCommand } from './certs-command.js';
import { addConfigCommand } from './config-command.js';
import { addCordonCommands } from './cordon-command.js';
import { addCoordinatorCommand } from './coordinator-command.js';
import { addDebugCommand } from './debug-command.js';
import { addDoctorCommand } from './doctor-command.js';
import { addDriverCommands } from './driver-command.js';
import { addEventsCommand } from './events-command.js';
import { addExplainCommand } from './explain-command.js';
import { addKvCommand } from './kv-command.js';
import { addPlacementCommand } from './placement-command.js';
import { addEnginesCommand } from './engines-command.js';
import { addPlanCommand } from './plan-command.js';
import { addProbeCommand } from './probe-command.js';
import { addSimCommand } from './sim-command.js';
import { addTopCommand } from './top-command.js';
import { addCompletionCommand } from './completion-command.js';
import { addStatusCommand } from './status-command.js';
import { addUpCommand } from './up-command.js';

/** The tree of all commands, with their options and helps; running it is `runCli`'s, completion and tests read it. */
export function createProgram(): Command {
  const program = baseProgram();
  addUpCommand(program);
  addStatusCommand(program);
  addTopCommand(program);
  addExplainCommand(program);
  addEventsCommand(program);
  addEnginesCommand(program);
  addCordonCommands(program);
  addDriverCommands(program);
  addDoctorCommand(program);
  addDebugCommand(program);
  addProbeCommand(program);
  addPlacementCommand(program);
  addPlanCommand(program);
  addKvCommand(program);
  addAgentCommand(program);
  addCoordinatorCommand(program);
  addConfigCommand(program);
  addCertsCommand(program);
  addCompletionCommand(program);
  addSimCommand(program);
  program.addHelpText(
    'after',
    `
Start here:
  infernode up                     a whole cluster on this machine, simulated where there is no GPU
  infernode sim gpu xid 79 --gpu 0 let a GPU fall off the bus and watch requests move
  infernode doctor                 what this machine has and lacks`,
  );
  return program;
}
