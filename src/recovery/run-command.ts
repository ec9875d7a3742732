/** Runs a command of the operator: an argument vector, never a shell; with a time limit, facts in the environment, bounded output. */
import { spawn } from 'node:child_process';
import { messageOf } from '../domain/error-codes.js';
import type { Clock } from '../runtime/clock.js';

export interface CommandResult {
  ok: boolean;
  /** One phrase: `exit code 0`, `signal SIGKILL`, `timed out after 120 s`, or why it could not be started. */
  outcome: string;
  /** The end of what it printed. */
  output: string;
}

export interface CommandRequest {
  argv: readonly string[];
  /** Added to a short list of the agent's own variables; that environment may hold secrets. */
  env: Readonly<Record<string, string>>;
  timeoutMs: number;
  clock: Clock;
}

const maxOutputBytes = 4096;
/** What a command needs to be found and to speak; nothing else of the agent's environment. */
const passedOn = ['PATH', 'HOME', 'LANG', 'LD_LIBRARY_PATH'];

export function runCommand({ argv, env, timeoutMs, clock }: CommandRequest): Promise<CommandResult> {
  return new Promise((resolve) => {
    const [program = '', ...args] = argv;
    const own = Object.fromEntries(
      passedOn.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
    );
    // A group of its own, so that what it starts ends with it.
    const child = spawn(program, args, {
      ...{ cwd: '/', detached: true, stdio: ['ignore', 'pipe', 'pipe'] as const },
      env: { ...own, ...env },
    });
    let output = '';
    let timedOut = false;
    const hear = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(-maxOutputBytes);
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    const timer = clock.after(timeoutMs, () => {
      timedOut = true;
      killGroup(child.pid);
    });
    const finish = (ok: boolean, outcome: string): void => {
      timer.cancel();
      for (const stream of [child.stdout, child.stderr]) stream?.destroy();
      resolve({
        ok: ok && !timedOut,
        outcome: timedOut ? `timed out after ${timeoutMs / 1000} s` : outcome,
        output: output.trim(),
      });
    };
    child.once('error', (error) => finish(false, `cannot be started: ${messageOf(error)}`));
    child.once('exit', (code, signal) =>
      finish(code === 0, signal ? `signal ${signal}` : `exit code ${code}`),
    );
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Ended in this moment.
  }
}
