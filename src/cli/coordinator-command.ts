import type { Command } from 'commander';
import { coordinatorSchema, type CoordinatorConfig } from '../config/coordinator-config.js';
import { loadConfig } from '../config/load-config.js';
import { systemClock } from '../runtime/clock.js';
import { createLogger } from '../runtime/logger.js';
import { addProcessOptions, type ProcessOptions } from './agent-command.js';
import { warnOfUnknownVariables } from './config-options.js';
import { packageVersion } from './package-version.js';

export function addCoordinatorCommand(program: Command): void {
  addProcessOptions(program.command('coordinator'))
    .description('run the coordinator: watch agents, place requests, serve the OpenAI-compatible gateway')
    .addHelpText(
      'after',
      '\nSIGTERM drains: no new requests, streams finish; SIGHUP reloads the configuration.',
    )
    .action(async ({ config: file, set, readyJson, withParent }: ProcessOptions) => {
      const load = (): CoordinatorConfig => loadConfig(coordinatorSchema, { file, set }).config;
      load();
      await warnOfUnknownVariables(coordinatorSchema);
      const { runCoordinatorProcess } = await import('../coordinator-process.js');
      await runCoordinatorProcess({
        loadConfig: load,
        clock: systemClock,
        logger: createLogger('coordinator'),
        version: packageVersion(),
        readyJson,
        withParent,
      });
    });
}
