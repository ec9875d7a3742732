/**
 * Watches a start through the engine's log until it serves: shows the phase, renews the deadline with every step forward,
 * and says in the end what became of the CUDA graphs. A start that stands still for too long is given up.
 */
import { join } from 'node:path';
import type { StartProgress } from '../domain/engine.js';
import type { Clock, Timer } from '../runtime/clock.js';
import { readLogFrom } from './read-log.js';
import { StartLog } from './start-log.js';

export interface StartWatchOptions {
  runDir: string;
  /** Without a step forward, ms. */
  stallMs: number;
  clock: Clock;
  onProgress: (progress: StartProgress) => void;
  onStalled: (progress: StartProgress) => void;
}

const pollMs = 250;
const pieceBytes = 256 * 1024;
/** Pieces of one look; what floods the log faster than this is read later. */
const maxPieces = 64;

export class StartWatch {
  readonly log = new StartLog();
  readonly #options: StartWatchOptions;
  readonly #path: string;
  #offset = 0;
  #reading: Promise<boolean> = Promise.resolve(false);
  #deadline: Timer;
  #poll: Timer | null = null;
  #stopped = false;

  constructor(options: StartWatchOptions) {
    this.#options = options;
    this.#path = join(options.runDir, 'engine.log');
    this.#deadline = this.#newDeadline();
  }

  start(): void {
    void this.#look();
  }

  /** The engine serves: no deadline any more. Resolves when the log has been read to its end. */
  async finish(): Promise<StartLog> {
    this.stop();
    await this.#readOn();
    return this.log;
  }

  stop(): void {
    this.#stopped = true;
    this.#deadline.cancel();
    this.#poll?.cancel();
  }

  async #look(): Promise<void> {
    const forward = await this.#readOn();
    if (this.#stopped) return;
    if (forward) {
      this.#deadline.cancel();
      this.#deadline = this.#newDeadline();
      this.#options.onProgress(this.log.progress);
    }
    this.#poll = this.#options.clock.after(pollMs, () => void this.#look());
  }

  /** One after the other: two readers at one offset would read everything twice. */
  #readOn(): Promise<boolean> {
    this.#reading = this.#reading.then(() => this.#readPieces());
    return this.#reading;
  }

  /** True when the start went forward. */
  async #readPieces(): Promise<boolean> {
    let forward = false;
    for (let pieces = 0; pieces < maxPieces; pieces++) {
      const { text, nextOffset } = await readLogFrom(this.#path, this.#offset, pieceBytes);
      this.#offset = nextOffset;
      if (text === '') break;
      if (this.log.feed(text)) forward = true;
    }
    return forward;
  }

  #newDeadline(): Timer {
    const { clock, stallMs, onStalled } = this.#options;
    return clock.after(stallMs, () => {
      this.stop();
      onStalled(this.log.progress);
    });
  }
}
