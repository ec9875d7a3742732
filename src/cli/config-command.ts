import type { Command } from 'commander';
import { agentSchema } from '../config/agent-config.js';
import { coordinatorSchema } from '../config/coordinator-config.js';
import { loadConfig } from '../config/load-config.js';
import { effectiveValues } from '../config/print-config.js';
import { InfernodeError } from '../domain/error-codes.js';
import { addConfigOptions, warnOfUnknownVariables, type ConfigOptions } from './config-options.js';

const schemas = { agent: agentSchema, coordinator: coordinatorSchema };

function load(process_: string, { config: file, set }: ConfigOptions): ReturnType<typeof loadConfig> {
  if (process_ !== 'agent' && process_ !== 'coordinator')
    throw new InfernodeError('argument-invalid', `expected "agent" or "coordinator", got "${process_}"`);
  return loadConfig(schemas[process_], { file, set });
}

async function check(process_: string, options: ConfigOptions & { json?: boolean }): Promise<void> {
  try {
    load(process_, options);
  } catch (error) {
    if (!options.json || !(error instanceof InfernodeError) || error.code !== 'config-invalid') throw error;
    process.stdout.write(`${JSON.stringify({ valid: false, problems: error.message.split('\n') })}\n`);
    process.exitCode = 2;
    return;
  }
  await warnOfUnknownVariables(agentSchema);
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ valid: true, problems: [] })}\n`
      : `${options.config ?? 'configuration'}: valid for the ${process_}\n`,
  );
}

export function addConfigCommand(program: Command): void {
  const config = program
    .command('config')
    .description('check a configuration, or print what a process would use');
  addConfigOptions(config.command('check <process>'))
    .description('validate the configuration of "agent" or "coordinator"; exit code 2 when it is wrong')
    .option('--json', 'one JSON object {valid, problems}')
    .action(check);
  addConfigOptions(config.command('print <process>'))
    .description('print each effective value with its source, secrets masked')
    .option('--effective', 'the effective values (the only form there is)', true)
    .option('--json', 'one JSON array')
    .action((process_: string, options: ConfigOptions & { json?: boolean }) => {
      const { config: loaded, layers } = load(process_, options);
      const values = effectiveValues(loaded, layers);
      if (options.json) process.stdout.write(`${JSON.stringify(values)}\n`);
      else
        for (const { path, value, source } of values)
          process.stdout.write(`${path} = ${JSON.stringify(value)}  # ${source}\n`);
    });
}
