/**
 * Asks a program one short question (`--version`, `--help`) and reads what it prints, within a time and a length. No shell
 * is involved; the program runs in a process group of its own, all of which ends with the question.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { InfernodeError } from '../domain/error-codes.js';
import type { Clock } from '../runtime/clock.js';
import type { Environment } from './engine-adapter.js';

export type ProgramAnswer =
  | { kind: 'text'; text: string }
  /** It answered too late, or ended with an error: nothing is known of it. */
  | { kind: 'silent'; reason: string };

export interface ProgramQuestion {
  argv: readonly string[];
  env: Environment;
  clock: Clock;
  timeLimitMs: number;
}

/** `vllm serve --help=all` prints about 200 kB; what prints more than this is not what it is taken for. */
const maxOutputBytes = 4 * 1024 * 1024;
const maxErrorText = 200;

/** Throws `config-invalid` when the program prints without end. */
export async function askProgram({ argv, env, clock, timeLimitMs }: ProgramQuestion): Promise<ProgramAnswer> {
  const line = argv.join(' ');
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0] ?? '', argv.slice(1), {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: env,
    });
    let text = '';
    let errors = '';
    let bytes = 0;
    const end = (settle: () => void): void => {
      timer.cancel();
      killGroup(child.pid);
      child.stdout.destroy();
      child.stderr.destroy();
      settle();
    };
    const silent = (reason: string): void => end(() => resolve({ kind: 'silent', reason }));
    const timer = clock.after(timeLimitMs, () => silent(`"${line}" did not answer within ${timeLimitMs} ms`));
    const count = (chunk: Buffer): string => {
      bytes += chunk.length;
      if (bytes > maxOutputBytes) end(() => reject(printsTooMuch(line)));
      return chunk.toString('utf8');
    };
    child.stdout.on('data', (chunk: Buffer) => (text += count(chunk)));
    child.stderr.on('data', (chunk: Buffer) => (errors = (errors + count(chunk)).slice(-maxErrorText)));
    child.once('error', (error) => silent(`"${line}" cannot be run: ${error.message}`));
    child.once('close', (code, signal) =>
      code === 0
        ? end(() => resolve({ kind: 'text', text }))
        : silent(`"${line}" ended with ${signal ?? code}: ${errors.trim()}`),
    );
  });
}

function printsTooMuch(line: string): InfernodeError {
  return new InfernodeError(
    'config-invalid',
    `template command: expected "${line}" to print a short answer, got more than ${maxOutputBytes / 1024 ** 2} MiB; is it the engine's program?`,
  );
}

/** The group may be gone already. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing left to end.
  }
}

/** Path of the file that `execvp` would run. Throws `config-invalid` when there is none or it may not be run. */
export function findProgram(name: string, env: Environment): string {
  const places = name.includes('/')
    ? [name]
    : (env['PATH'] ?? '').split(delimiter).map((folder) => join(folder || '.', name));
  const files = places.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
  const runnable = files.find(isExecutable);
  if (runnable !== undefined) return runnable;
  throw new InfernodeError(
    'config-invalid',
    files[0] === undefined
      ? `template command: program "${name}" does not exist${name.includes('/') ? '' : ' on the PATH of the engine'}; install it or name its full path`
      : `template command: program "${files[0]}" is not executable; set its executable bit`,
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
