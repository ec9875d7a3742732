/** infernode(1) out of the command tree, so that it can never be behind it; written when the package is packed. */
import type { Command } from 'commander';
import { exitCodes, files, variables } from './help-texts.js';
import { packageVersion } from './package-version.js';

/** The page in the man macros of roff. */
export function manPage(program: Command): string {
  const sections = [
    `.TH INFERNODE 1 "" "infernode ${packageVersion()}" "User Commands"`,
    '.SH NAME',
    `infernode \\- ${text('agent and coordinator of an LLM-serving cluster of GPU nodes')}`,
    '.SH SYNOPSIS',
    '.B infernode',
    '.I command',
    text('[options]'),
    '.SH DESCRIPTION',
    text(`${program.description()}.`),
    '.PP',
    text('Results go to standard output, everything else to standard error; --json prints JSON for scripts.'),
    '.SH COMMANDS',
    ...program.commands.flatMap((command) => commandPart(command, [program.name()])),
    '.SH ENVIRONMENT',
    ...variables.flatMap(([name, meaning]) => ['.TP', `.B ${text(name)}`, text(meaning)]),
    '.SH FILES',
    ...files.flatMap(([path, meaning]) => ['.TP', `.I ${text(path)}`, text(meaning)]),
    '.SH EXIT STATUS',
    text(exitCodes.replace('Exit codes: ', '')),
    '.SH SEE ALSO',
    '.BR systemctl (1),',
    '.BR journalctl (1)',
  ];
  return `${sections.join('\n')}\n`;
}

function commandPart(command: Command, path: readonly string[]): string[] {
  const here = [...path, command.name()];
  const options = command.options.filter(({ hidden }) => !hidden);
  const help = command.createHelp();
  return [
    `.SS "${text(here.join(' '))}"`,
    text(`${here.join(' ')} ${command.usage()}`),
    '.PP',
    text(`${capital(command.description())}.`),
    ...options.flatMap((option) => [
      '.TP',
      `.B ${text(option.flags)}`,
      text(help.optionDescription(option) || option.flags),
    ]),
    ...literal(ownHelpTextOf(command)),
    ...command.commands.flatMap((child) => commandPart(child, here)),
  ];
}

/** What stands below the options in the help: explanations and examples, laid out by hand. */
function ownHelpTextOf(command: Command): string {
  let help = '';
  const before = { ...command.configureOutput() };
  command.configureOutput({ writeOut: (part) => (help += part), getOutHelpWidth: () => 80 });
  command.outputHelp();
  const generated = command.helpInformation();
  command.configureOutput(before);
  return help
    .slice(help.indexOf(generated) + generated.length)
    .replace(exitCodes, '')
    .trim();
}

const literal = (lines: string): string[] =>
  lines === '' ? [] : ['.PP', '.nf', ...lines.split('\n').map(text), '.fi'];

const capital = (sentence: string): string => sentence.charAt(0).toUpperCase() + sentence.slice(1);

/** Backslashes, hyphens that must stay hyphens, and a leading dot or quote, which would be a request. */
function text(plain: string): string {
  return plain
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('’', "'")
    .replace(/^([.'])/, '\\&$1');
}
