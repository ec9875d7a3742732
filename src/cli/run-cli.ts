import { CommanderError } from 'commander';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import { maskText } from '../domain/mask-text.js';
import { muteIpServerName } from './mute-ip-server-name.js';

/** Bad input, as opposed to work that failed (1). */
const exitUsage = 2;

export async function runCli(argv: readonly string[]): Promise<void> {
  muteIpServerName();
  // A reader that has seen enough, such as `head`, is no failure of ours. Long-running processes outlive it: they have a handler too.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    const program =
      argv[2] === 'agent' && !argv.includes('--help') && !argv.includes('-h')
        ? (await import('./create-agent-program.js')).createAgentProgram()
        : (await import('./create-program.js')).createProgram();
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Prints one clear message and returns the exit code; only the unexpected shows a stack. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitUsage;
  if (error instanceof InfernodeError) {
    process.stderr.write(`infernode: ${messageOf(error)}${remedyOf(error)}\n`);
    return error.code === 'config-invalid' || error.code === 'argument-invalid' ? exitUsage : 1;
  }
  process.stderr.write(
    `infernode: ${error instanceof Error ? maskText(error.stack ?? error.message) : messageOf(error)}\n`,
  );
  return 1;
}

/** What to look at when nobody answers; a call that was given an address needs it as much as one that guessed. */
function remedyOf({ code, message }: InfernodeError): string {
  if (code !== 'node-unreachable' || message.includes('infernode up')) return '';
  return '\nis it running there (`systemctl status infernode-agent infernode-coordinator`)? Another address: --agent or --coordinator; beyond loopback --tls-ca';
}
