import { spawn, type ChildProcess } from 'node:child_process';
import { registerProcess, unregisterProcess, type HeldMemory } from './process-file.js';
import type { FromChild, ToChild } from './worker-protocol.js';

/** Small heap, no helper threads: a node may run dozens of these. */
export const childNodeOptions = ['--max-old-space-size=32', '--v8-pool-size=0'];

/**
 * A process of the simulated engine that holds GPU memory and does nothing else. `core` outlives a killed API server,
 * as vLLM's does; a `worker` ends when its core is gone.
 *
 * @param argv `['core']` or `['worker']`
 */
export async function runEngineWorker(argv: readonly string[]): Promise<number> {
  if (!process.send) return 2; // Only ever started by the simulator, with a channel.
  return new EngineChild(argv[0] === 'core').run();
}

class EngineChild {
  #title = '';
  #workers: ChildProcess[] = [];
  #memory: HeldMemory | null = null;
  #hung = false;
  #ending = false;
  #finish: (code: number) => void = () => undefined;
  // Without its channel a core has nothing left that keeps it running.
  readonly #keepAlive = setInterval(() => undefined, 1 << 30);

  constructor(readonly core: boolean) {}

  run(): Promise<number> {
    const ended = new Promise<number>((resolve) => (this.#finish = resolve));
    process.on('message', (message: ToChild) => void this.#receive(message));
    process.on('SIGTERM', () => this.#signal());
    process.on('SIGINT', () => this.#signal());
    process.once('disconnect', () => {
      // A worker in a stuck kernel does not notice that its core is gone.
      if (!this.core && !this.#hung) this.#end(0);
    });
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
    return ended;
  }

  /** While somebody above can say `end`, that is waited for: a signal to the whole group must not look like a death. */
  #signal(): void {
    if (this.#hung) return;
    if (!process.connected) this.#end(0);
    else if (this.core) this.#report({ type: 'signalled' });
  }

  async #receive(message: ToChild): Promise<void> {
    if (message.type === 'begin') await this.#begin(message.title, message.workers);
    else if (message.type === 'hold') this.#hold(message);
    else if (message.type === 'hang') this.#hung = true;
    else if (message.type === 'kill-worker') this.#workers[message.rank]?.kill(message.signal);
    else if (!this.#hung) this.#end(0);
    if (message.type === 'hang') for (const worker of this.#workers) tell(worker, message);
  }

  async #begin(title: string, workers: readonly string[]): Promise<void> {
    process.title = title;
    this.#title = title;
    const ready = workers.map((name, rank) => this.#startWorker(name, rank));
    await Promise.all(ready);
    this.#report({ type: 'ready', workerPids: this.#workers.map(({ pid }) => pid ?? 0) });
  }

  #startWorker(name: string, rank: number): Promise<void> {
    const worker = spawnChild('worker');
    this.#workers[rank] = worker;
    worker.on('error', () => undefined);
    worker.once('exit', (code, signal) => {
      if (this.#ending) return;
      this.#report({ type: 'worker-died', rank, code: code ?? -signalNumber(signal) });
      this.#end(1);
    });
    tell(worker, { type: 'begin', title: name, workers: [] });
    return new Promise((resolve) => {
      worker.on('message', (message: FromChild) => message.type === 'ready' && resolve());
      worker.once('exit', () => resolve());
    });
  }

  /** Rank by rank on the workers, or all here when the core does the work itself. */
  #hold({ memory, perRank }: Extract<ToChild, { type: 'hold' }>): void {
    if (this.#workers.length > 0) {
      perRank.forEach((devices, rank) => {
        const worker = this.#workers[rank];
        if (worker) tell(worker, { type: 'hold', memory, perRank: [devices] });
      });
    } else {
      this.#memory = { ...memory, name: this.#title, devices: perRank[0] ?? [] };
      registerProcess(this.#memory);
    }
    this.#report({ type: 'held' });
  }

  #end(code: number): void {
    if (this.#ending) return;
    this.#ending = true;
    const last = this.#workers.map((worker) => {
      if (worker.exitCode !== null || worker.signalCode !== null) return Promise.resolve();
      tell(worker, { type: 'end' });
      return new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    });
    void Promise.all(last).then(() => {
      if (this.#memory?.releaseDelayMs === 0) unregisterProcess(this.#memory.nodeDirectory);
      clearInterval(this.#keepAlive);
      if (process.connected) process.disconnect();
      this.#finish(code);
    });
  }

  #report(message: FromChild): void {
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  }
}

/** Starts this program again in the role of a child; `main.ts` (or a test's launcher) is the script. */
export function spawnChild(role: 'core' | 'worker'): ChildProcess {
  return spawn(process.execPath, [...childNodeOptions, process.argv[1]!, 'sim', 'engine-worker', role], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

function tell(child: ChildProcess, message: ToChild): void {
  if (child.connected) child.send(message, () => undefined);
}

function signalNumber(signal: NodeJS.Signals | null): number {
  return { SIGKILL: 9, SIGSEGV: 11, SIGABRT: 6, SIGTERM: 15, SIGINT: 2 }[signal as string] ?? 1;
}
