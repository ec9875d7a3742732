/**
 * Tells when a file of the kind that engines make has appeared in /dev/shm, so that whoever holds it is looked for while it lives: a
 * look each minute would miss what a process makes before it is killed. Watches only while somebody listens. Where the kernel gives no
 * watch, the looks each minute remain.
 */
import { watch, type FSWatcher } from 'node:fs';
import { messageOf } from '../domain/error-codes.js';
import type { Clock, Timer } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import { isEngineFileName, sharedMemoryDirectory } from './shared-memory.js';

/** A start makes dozens of files at once; one look is enough for them. */
const settleMs = 250;

export class SharedMemoryNews {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #directory: string;
  readonly #listeners = new Set<() => void>();
  #watcher: FSWatcher | null = null;
  #settling: Timer | null = null;

  constructor(clock: Clock, logger: Logger, directory = sharedMemoryDirectory) {
    this.#clock = clock;
    this.#logger = logger;
    this.#directory = directory;
  }

  /** Returns the unsubscribe function. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#watcher ??= this.#watch();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop();
    };
  }

  #watch(): FSWatcher | null {
    try {
      const watcher = watch(this.#directory, { persistent: false }, (_kind, name) => {
        if (name !== null && isEngineFileName(name)) this.#settle();
      });
      watcher.on('error', (error) => this.#lost(error));
      return watcher;
    } catch (error) {
      this.#lost(error);
      return null;
    }
  }

  #settle(): void {
    this.#settling ??= this.#clock.after(settleMs, () => {
      this.#settling = null;
      for (const listener of this.#listeners) listener();
    });
  }

  #lost(error: unknown): void {
    this.#logger.warn({ reason: messageOf(error) }, 'shared memory is looked at each minute only');
    this.#stop();
  }

  #stop(): void {
    this.#settling?.cancel();
    this.#settling = null;
    this.#watcher?.close();
    this.#watcher = null;
  }
}
