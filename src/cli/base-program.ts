import { Command } from 'commander';
import { packageVersion } from './package-version.js';

/** The program without its commands. */
export function baseProgram(): Command {
  return new Command('infernode')
    .description(
      'Keeps GPU nodes good citizens of an LLM-serving cluster: agent, coordinator and their tools',
    )
    .version(packageVersion(), '-V, --version')
    .showHelpAfterError('(add --help for the options)')
    .exitOverride()
    .configureHelp({ sortSubcommands: false });
}
