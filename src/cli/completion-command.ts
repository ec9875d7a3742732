import { Argument, type Command } from 'commander';

export const completionShells = ['bash', 'zsh', 'fish'] as const;
export type CompletionShell = (typeof completionShells)[number];

/** `infernode completion SHELL`: written from the command tree, so that it can never be behind it. */
export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>').choices(completionShells))
    .addHelpText(
      'after',
      `
Install it:
  infernode completion bash > /etc/bash_completion.d/infernode
  infernode completion zsh > /usr/local/share/zsh/site-functions/_infernode
  infernode completion fish > ~/.config/fish/completions/infernode.fish`,
    )
    .action((shell: CompletionShell) => void process.stdout.write(completionScript(program, shell)));
}

interface Place {
  /** Words up to here, `infernode` first. */
  path: string;
  commands: string[];
  /** What can follow: commands, values of an argument, long options. */
  words: string[];
}

function placesOf(command: Command, path: string): Place[] {
  const commands = command.commands.map((child) => child.name());
  const values = command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices);
  const options = command.options.flatMap(({ long, hidden }) => (long && !hidden ? [long] : []));
  return [
    { path, commands, words: [...commands, ...values, ...options, '--help'] },
    ...command.commands.flatMap((child) => placesOf(child, `${path} ${child.name()}`)),
  ];
}

export function completionScript(program: Command, shell: CompletionShell): string {
  const places = placesOf(program, program.name());
  return { bash, zsh, fish }[shell](places);
}

/** Which command the words so far have led to: `here` after the loop. The same in bash and zsh. */
const steps = (places: readonly Place[]): string =>
  places
    .filter(({ commands }) => commands.length > 0)
    .map(
      ({ path, commands }) =>
        `      ${commands.map((one) => `"${path} ${one}"`).join(' | ')}) here="$here $word" ;;`,
    )
    .join('\n');

const cases = (places: readonly Place[]): string =>
  places.map(({ path, words }) => `    "${path}") words="${words.join(' ')}" ;;`).join('\n');

function bash(places: readonly Place[]): string {
  return `# bash completion of infernode
_infernode() {
  local here=infernode word words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$here $word" in
${steps(places)}
    esac
  done
  case "$here" in
${cases(places)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _infernode infernode
`;
}

function zsh(places: readonly Place[]): string {
  return `#compdef infernode
_infernode() {
  local here=infernode word found
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$here $word" in
${steps(places)}
    esac
  done
  case "$here" in
${cases(places).replaceAll('words="', 'found="')}
  esac
  compadd -- \${=found} || _files
}
if [ "$funcstack[1]" = _infernode ]; then _infernode "$@"; else compdef _infernode infernode; fi
`;
}

function fish(places: readonly Place[]): string {
  const lines = places.map(
    ({ path, words }) =>
      `complete -c infernode -n "test (__infernode_here) = '${path}'" -a "${words.join(' ')}"`,
  );
  const known = places.flatMap(({ path, commands }) => commands.map((one) => `'${path} ${one}'`));
  return `# fish completion of infernode
function __infernode_here
    set -l known ${known.join(' ')}
    set -l here infernode
    for word in (commandline -opc)[2..]
        contains -- "$here $word" $known; and set here "$here $word"
    end
    echo $here
end
${lines.join('\n')}
`;
}
