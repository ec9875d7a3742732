/**
 * What a hung engine was doing, written down before it is ended: Python stacks by py-spy where it is installed, else the
 * state and kernel wait of every thread. Bounded in time, processes, threads and bytes; a failure costs the stacks only.
 *
 * Never read: cmdline, environ, maps. They wait for the memory lock of a process that may hang with it held.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { sleep, type Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';

const maxProcesses = 16;
const maxThreads = 64;
const maxBytes = 1024 * 1024;
/** py-spy stops a process for some milliseconds; one that takes longer hangs with it. */
const spyLimitMs = 3000;
/** All together. The engine serves nobody any more, but its restart waits for this. */
const limitMs = 5000;

export interface TakeStacksOptions {
  pids: readonly number[];
  /** Where `stacks.txt` goes. */
  runDir: string;
  clock: Clock;
  /** Where programs are looked for; the agent's own by default. */
  searchPath?: string;
}

/** Path of the file, or `null` when nothing could be written in time. */
export async function takeStacks({
  pids,
  runDir,
  clock,
  searchPath,
}: TakeStacksOptions): Promise<string | null> {
  const spy = findProgram('py-spy', searchPath ?? process.env['PATH'] ?? '');
  const stop = new AbortController();
  const work = Promise.all(pids.slice(0, maxProcesses).map((pid) => stacksOf(pid, spy)));
  const late = sleep(clock, limitMs, stop.signal).then(() => null);
  const parts = await Promise.race([work.catch(() => null), late]);
  stop.abort();
  if (!parts) return null;
  const path = join(runDir, 'stacks.txt');
  try {
    await writeFile(path, parts.join('\n').slice(0, maxBytes), { mode: 0o600 });
    return path;
  } catch {
    return null;
  }
}

/** For the last moment before a hung engine is signalled; says where they are. */
export async function stacksBeforeSignal(
  engine: string,
  run: { pids: ReadonlySet<number>; runDir: string },
  { clock, logger }: { clock: Clock; logger: Logger },
): Promise<void> {
  const path = await takeStacks({ pids: [...run.pids], runDir: run.runDir, clock });
  logger.warn({ engine, path }, path ? 'stacks of the hung engine' : 'no stacks could be taken');
}

async function stacksOf(pid: number, spy: string | null): Promise<string> {
  const python = spy === null ? '' : await runSpy(spy, pid);
  return `== process ${pid}\n${python || (await threadsOf(pid))}`;
}

/** Empty when py-spy cannot tell: no Python, no permission, no answer. */
function runSpy(spy: string, pid: number): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(spy, ['dump', '--nonblocking', '--pid', String(pid)], {
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: spyLimitMs,
      killSignal: 'SIGKILL',
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => (text = (text + part).slice(0, maxBytes)));
    child.once('error', () => resolve(''));
    child.once('close', (code) => resolve(code === 0 ? text : ''));
  });
}

async function threadsOf(pid: number): Promise<string> {
  const directory = `/proc/${pid}/task`;
  const threads = await readdir(directory).catch(() => [] as string[]);
  const lines = threads.slice(0, maxThreads).map(async (thread) => {
    const read = (name: string): Promise<string> =>
      readFile(join(directory, thread, name), 'utf8').then(
        (text) => text.trim(),
        () => '?',
      );
    const [name, stat, wait, call, stack] = await Promise.all(
      ['comm', 'stat', 'wchan', 'syscall', 'stack'].map(read),
    );
    const state = stat?.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) ?? '?';
    const frames = stack === '?' ? '' : `\n${stack}`;
    return `thread ${thread} ${name} state ${state} wait ${wait} syscall ${call}${frames}`;
  });
  return (await Promise.all(lines)).join('\n') || 'gone';
}

function findProgram(name: string, searchPath: string): string | null {
  for (const directory of searchPath.split(delimiter)) {
    if (directory === '') continue;
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return null;
}
