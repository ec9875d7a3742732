import { Command, CommanderError } from 'commander';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import { addAgentCommand } from './agent-command.js';
import { addCertsCommand } from './certs-command.js';
import { addConfigCommand } from './config-command.js';
import { addCordonCommands } from './cordon-command.js';
import { addCoordinatorCommand } from './coordinator-command.js';
import { addDoctorCommand } from './doctor-command.js';
import { packageVersion } from './package-version.js';
import { addDriverCommands } from './driver-command.js';
import { addEventsCommand } from './events-command.js';
import { addExplainCommand } from './explain-command.js';
import { addKvCommand } from './kv-command.js';
import { addPlacementCommand } from './placement-command.js';
import { addEnginesCommand } from './engines-command.js';
import { addPlanCommand } from './plan-command.js';
import { addProbeCommand } from './probe-command.js';
import { addSimCommand } from './sim-command.js';
import { addStatusCommand } from './status-command.js';
import { addUpCommand } from './up-command.js';

/** Bad input, as opposed to work that failed (1). */
const exitUsage = 2;

export async function runCli(argv: readonly string[]): Promise<void> {
  const program = new Command('infernode')
    .description(
      'Keeps GPU nodes good citizens of an LLM-serving cluster: agent, coordinator and their tools',
    )
    .version(packageVersion(), '-V, --version')
    .showHelpAfterError('(add --help for the options)')
    .exitOverride()
    .configureHelp({ sortSubcommands: false });
  addUpCommand(program);
  addStatusCommand(program);
  addExplainCommand(program);
  addEventsCommand(program);
  addEnginesCommand(program);
  addCordonCommands(program);
  addDriverCommands(program);
  addDoctorCommand(program);
  addProbeCommand(program);
  addPlacementCommand(program);
  addPlanCommand(program);
  addKvCommand(program);
  addAgentCommand(program);
  addCoordinatorCommand(program);
  addConfigCommand(program);
  addCertsCommand(program);
  addSimCommand(program);
  program.addHelpText(
    'after',
    `
Start here:
  infernode up                     a whole cluster on this machine, simulated where there is no GPU
  infernode sim gpu xid 79 --gpu 0 let a GPU fall off the bus and watch requests move
  infernode doctor                 what this machine has and lacks`,
  );
  try {
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Prints one clear message and returns the exit code; only the unexpected shows a stack. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitUsage;
  if (error instanceof InfernodeError) {
    process.stderr.write(`infernode: ${error.message}\n`);
    return error.code === 'config-invalid' || error.code === 'argument-invalid' ? exitUsage : 1;
  }
  process.stderr.write(
    `infernode: ${error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}\n`,
  );
  return 1;
}
