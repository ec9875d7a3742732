// A real `infernode up` as a user starts it, in a state directory of its own.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { UpReady } from '../../src/cli/up/up-state.js';

export const mainFile = new URL('../../dist/main.js', import.meta.url).pathname;

export interface RunningUp {
  ready: UpReady;
  child: ChildProcess;
  directory: string;
  /** Runs another `infernode` command against this cluster; resolves with its output. */
  infernode: (...args: string[]) => Promise<{ code: number | null; stdout: string; stderr: string }>;
  /** Ctrl-C; resolves with the exit code. */
  interrupt: () => Promise<number | null>;
}

/** Starts `infernode up --json` and resolves when it is ready; `interrupt()` it in `afterAll`. */
export async function startUp(...args: string[]): Promise<RunningUp> {
  const directory = mkdtempSync(join(tmpdir(), 'infernode-up-'));
  const env = { ...process.env, XDG_STATE_HOME: directory };
  const child = spawn(
    process.execPath,
    [mainFile, 'up', '--json', '--simulate', '--gateway', '127.0.0.1:0', ...args],
    {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let stderr = '';
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    void exited.then((code) => reject(new Error(`infernode up ended with ${code}: ${stderr}`)));
  });
  return {
    ready: JSON.parse(line) as UpReady,
    child,
    directory,
    infernode: (...args) => run(args, env),
    async interrupt() {
      child.kill('SIGINT');
      const code = await exited;
      rmSync(directory, { recursive: true, force: true });
      return code;
    },
  };
}

function run(
  args: string[],
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [mainFile, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** Pids of live processes whose command line, working directory or environment names the directory. */
export function processesOf(directory: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        if (/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return false;
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(directory) ||
          readFileSync(`/proc/${pid}/environ`, 'utf8').includes(directory) ||
          readlinkSync(`/proc/${pid}/cwd`).startsWith(directory)
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Polls until the condition holds; fails with its name after the deadline. */
export async function eventually<T>(
  what: string,
  condition: () => Promise<T | false | null | undefined> | T | false | null | undefined,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
