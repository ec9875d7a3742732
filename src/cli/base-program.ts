import { Command, Help } from 'commander';
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
    .configureHelp({
      sortSubcommands: false,
      // A switch that is off and a list that is empty go without saying.
      optionDescription: (option) =>
        new Help().optionDescription(option).replace(/ ?\(default: (\[\]|false|true)\)$/, ''),
    });
}
