import type { ChildProcess } from 'node:child_process';
import { spawnChild } from './engine-worker.js';
import type { HeldMemory } from './process-file.js';
import type { FromChild, ToChild } from './worker-protocol.js';

/** The API server's side of its children. */
export class EngineProcesses {
  #core: ChildProcess | null = null;
  #ended = false;
  workerPids: number[] = [];
  /** Called once when a worker or the core dies unasked; `rank` is null for the core. */
  onDeath: (rank: number | null, code: number) => void = () => undefined;

  get corePid(): number {
    return this.#core?.pid ?? 0;
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
        if (message.type !== 'ready') return;
        this.workerPids = message.workerPids;
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

  /** Asks the tree to end; after `graceMs` it is killed. Resolves with false when it had to be. */
  async end(graceMs: number): Promise<boolean> {
    this.#ended = true;
    const core = this.#core;
    if (!core || core.exitCode !== null || core.signalCode !== null) return true;
    this.#tell({ type: 'end' });
    core.kill('SIGTERM');
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
    for (const pid of this.workerPids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone already.
      }
    }
    this.#core?.kill('SIGKILL');
  }

  #tell(message: ToChild): void {
    if (this.#core?.connected) this.#core.send(message, () => undefined);
  }
}
