import type { Command } from 'commander';

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

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}
