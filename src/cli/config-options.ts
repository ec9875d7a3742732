import type { Command } from 'commander';
import type { z } from 'zod';
import { unknownVariables } from '../config/unknown-variables.js';

export interface ConfigOptions {
  config?: string;
  set: string[];
}

/** The options by which every process takes its configuration. */
export function addConfigOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'YAML file; without it defaults and INFERNODE_* variables apply')
    .option(
      '--set <key=value>',
      'override one value, such as listen.control=127.0.0.1:0; repeatable',
      collect,
      [],
    );
}

/**
 * Says on stderr which variables look like configuration and are none; once, where a process starts or a check is asked for. `own` is the
 * schema of that process; the other's is loaded when something does not fit.
 */
export async function warnOfUnknownVariables(
  own: z.ZodType,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  if (unknownVariables([own], env).length === 0) return;
  const { agentSchema } = await import('../config/agent-config.js');
  const { coordinatorSchema } = await import('../config/coordinator-config.js');
  for (const line of unknownVariables([agentSchema, coordinatorSchema], env))
    process.stderr.write(`infernode: ${line}\n`);
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}
