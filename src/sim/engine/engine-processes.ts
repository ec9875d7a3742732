import { spawn, type ChildProcess } from 'node:child_process';
import { spawnChild } from './engine-worker.js';
import { readStartTime, type HeldMemory } from './process-file.js';
import type { FromChild, ToChild } from './worker-protocol.js';

/** A signal to a process group reaches its members within this. */
const signalGraceMs = 300;

const forkingAway = `
  const stray = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'],
    { detached: true, env: {}, stdio: 'ignore' });
  stray.unref();
  console.log('forked away: process ' + stray.pid);
`;

/** The API server's side of its children. */
export class EngineProcesses {
  #core: ChildProcess | null = null;
  #ended = false;
  #workers: { pid: number; startTime: string | null }[] = [];
  /** Called once when a worker or the core dies unasked; `rank` is null for the core. */
  onDeath: (rank: number | null, code: number) => void = () => undefined;

  get corePid(): number {
    return this.#core?.pid ?? 0;
  }

  get workerPids(): number[] {
    return this.#workers.map(({ pid }) => pid);
  }

  /** Starts the core and through it the workers; resolves when all are up. */
  start(coreTitle: string, workerTitles: string[]): Promise<void> {
    const core = spawnChild('core');
    this.#core = core;
    core.on('error', () => undefined);
    let told = false;
    const die = (rank: number | null, code: number): void => {
      if (told || this.#ended) return;
      told = true;
      this.onDeath(rank, code);
    };
    const ready = new Promise<void>((resolve) => {
      core.on('message', (message: FromChild) => {
        if (message.type === 'worker-died') die(message.rank, message.code);
        // Only the core was signalled when nobody has asked us to stop a moment later: it ends like any other death.
        if (message.type === 'signalled')
          setTimeout(() => this.#ended || this.#tell({ type: 'end' }), signalGraceMs).unref();
        if (message.type !== 'ready') return;
        this.#workers = message.workerPids.map((pid) => ({ pid, startTime: readStartTime(pid) }));
        resolve();
      });
      core.once('exit', (code, signal) => {
        die(null, code ?? (signal === 'SIGKILL' ? -9 : -15));
        resolve();
      });
    });
    this.#tell({ type: 'begin', title: coreTitle, workers: workerTitles });
    return ready;
  }

  /** GPU memory by rank; returns when the core has passed it on, at once when there is no simulated node. */
  hold(memory: Omit<HeldMemory, 'devices' | 'name'>, perRank: HeldMemory['devices'][]): void {
    this.#tell({ type: 'hold', memory, perRank });
  }

  hang(): void {
    this.#tell({ type: 'hang' });
  }

  /** Ends one worker, or the core where it is its own worker, from outside. */
  killWorker(rank: number, signal: 'SIGKILL' | 'SIGSEGV' | 'SIGABRT'): void {
    if (this.workerPids.length === 0) this.#core?.kill(signal);
    else this.#tell({ type: 'kill-worker', rank, signal });
  }

  /** Twice forked, in a session of its own and without our environment: only a subreaper or a cgroup knows whose it is. */
  forkAway(): void {
    spawn(process.execPath, ['-e', forkingAway], {
      detached: true,
      env: {},
      stdio: ['ignore', 'inherit', 'ignore'],
    });
  }

  /** Asks the tree to end; after `graceMs` it is killed. Resolves with false when it had to be. */
  async end(graceMs: number): Promise<boolean> {
    this.#ended = true;
    const core = this.#core;
    if (!core || core.exitCode !== null || core.signalCode !== null) return true;
    this.#tell({ type: 'end' });
    const exited = new Promise<boolean>((resolve) => core.once('exit', () => resolve(true)));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), graceMs)));
    const clean = await Promise.race([exited, late]);
    clearTimeout(timer);
    if (!clean) this.kill();
    return clean;
  }

  /** SIGKILL to all of it, workers first. */
  kill(): void {
    this.#ended = true;
    for (const { pid, startTime } of this.#workers) {
      // They are the core's children, so only the start time tells whether the pid is still theirs.
      if (startTime === null || readStartTime(pid) !== startTime) continue;
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone since.
      }
    }
    this.#core?.kill('SIGKILL');
  }

  #tell(message: ToChild): void {
    if (this.#core?.connected) this.#core.send(message, () => undefined);
  }
}
