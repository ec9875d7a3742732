import { engineSettings, simulationSettings } from './engine-settings.js';
import { UsageError } from './parse-flags.js';
import { ServeCommand } from './serve-command.js';
import { serveHelp, serveUsage, topUsage } from './usage-text.js';

/** The `vllm` command line: `--version`, `serve --help=all`, `serve`. Bad arguments: usage on stderr, exit code 2. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  try {
    const { version } = simulationSettings(process.env);
    if (command === '--version' || command === '-v') return print(`${version}\n`);
    if (command === '--help' || command === '-h') return print(`${topUsage}\n`);
    if (command !== 'serve') return refuse(topUsage, 'vllm', unknownCommand(command));
    if (rest.some((word) => word === '-h' || word === '--help' || word.startsWith('--help=')))
      return print(serveHelp(version));
    return await new ServeCommand(engineSettings(rest, process.env)).run();
  } catch (error) {
    if (error instanceof UsageError) return refuse(serveUsage, 'vllm serve', error.message);
    throw error;
  }
}

function unknownCommand(command: string | undefined): string {
  return command === undefined
    ? 'the following arguments are required: subparser'
    : `argument subparser: invalid choice: '${command}' (choose from 'chat', 'complete', 'serve', 'bench', 'collect-env', 'run-batch')`;
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function refuse(usage: string, program: string, message: string): number {
  process.stderr.write(`${usage}\n${program}: error: ${message}\n`);
  return 2;
}
