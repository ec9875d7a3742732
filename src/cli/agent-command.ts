import type { Command } from 'commander';
import { agentSchema, type AgentConfig } from '../config/agent-config.js';
import { loadConfig } from '../config/load-config.js';
import { systemClock } from '../runtime/clock.js';
import { createLogger } from '../runtime/logger.js';
import { addConfigOptions, warnOfUnknownVariables, type ConfigOptions } from './config-options.js';
import { packageVersion } from './package-version.js';

export interface ProcessOptions extends ConfigOptions {
  readyJson: boolean;
  withParent: boolean;
}

/** Options of the two long-running processes. */
export function addProcessOptions(command: Command): Command {
  return addConfigOptions(command)
    .option('--ready-json', 'print one JSON line with the listening addresses when ready', false)
    .option('--with-parent', 'end when standard input closes, as a child of `infernode up`', false);
}

export function addAgentCommand(program: Command): void {
  addProcessOptions(program.command('agent'))
    .description('run the agent of this GPU node: sample GPUs, supervise engines, serve NodeService')
    .addHelpText(
      'after',
      '\nSIGTERM ends the agent and leaves its engines running; SIGHUP reloads the configuration.',
    )
    .action(async ({ config: file, set, readyJson, withParent }: ProcessOptions) => {
      const load = (): AgentConfig => loadConfig(agentSchema, { file, set }).config;
      load();
      await warnOfUnknownVariables(agentSchema);
      const { runAgentProcess } = await import('../agent-process.js');
      await runAgentProcess({
        loadConfig: load,
        clock: systemClock,
        logger: createLogger('agent'),
        version: packageVersion(),
        readyJson,
        withParent,
      });
    });
}
