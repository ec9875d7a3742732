/** What texts say one can type, held against the real command tree. */
import type { Command, Option } from 'commander';

/** Every command of the tree with its path, leaves and groups. */
export function commandsOf(
  command: Command,
  path: readonly string[] = [],
): { path: string[]; command: Command }[] {
  const here = [...path, command.name()];
  return [{ path: here, command }, ...command.commands.flatMap((child) => commandsOf(child, here))];
}

/** Lines of a text that call `infernode`, as words: without a prompt, comments behind two blanks, pipes and redirections. */
export function commandLinesIn(text: string): string[] {
  return text
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .map(
      (line) => /^\s*(?:\$ )?(?:sudo (?:-\S+ (?:[a-z]+ )?)?)?(?:npx )?(infernode .*)$/.exec(line)?.[1] ?? '',
    )
    .map((line) => line.replace(/(?:\s{2,}|\s+#|\s[|>&]).*$/, '').trim())
    .filter(Boolean);
}

/** What is wrong with a line, or an empty string: an unknown command, or an option that this command has not. */
export function faultOf(program: Command, line: string): string {
  let command = program;
  for (const word of line.split(/\s+/).slice(1)) {
    if (word.startsWith('-')) {
      const flag = word.replace(/=.*$/, '');
      if (!isKnown(command, flag)) return `"${line}": ${command.name()} has no option ${flag}`;
      continue;
    }
    const child = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (child) command = child;
    else if (command.commands.length > 0 && command.registeredArguments.length === 0 && command === program)
      return `"${line}": there is no command ${word}`;
  }
  return '';
}

function isKnown(command: Command, flag: string): boolean {
  if (flag === '--help' || flag === '-h') return true;
  // Everything behind `sim engine serve` is the simulated server's own.
  if (command.name() === 'engine') return true;
  const has = ({ long, short }: Option): boolean => long === flag || short === flag;
  for (let one: Command | null = command; one; one = one.parent) if (one.options.some(has)) return true;
  return command.commands.some((child) => child.options.some(has));
}
