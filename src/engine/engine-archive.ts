/**
 * What is kept of the engines on disk, for people: why they died, and the logs of their last runs. Reads only; an engine that
 * is not in the list any more can still be asked for.
 */
import { join } from 'node:path';
import type { DeathRecord } from '../domain/engine-death.js';
import { InfernodeError } from '../domain/error-codes.js';
import { sleep, type Clock } from '../runtime/clock.js';
import { DeathJournal } from './death-journal.js';
import { engineUnknown } from './engine-errors.js';
import type { EngineStore } from './engine-record.js';
import { logSize, readLogFrom } from './read-log.js';

export interface TailLogRequest {
  engineId: string;
  /** `null`: the latest run. */
  incarnation: number | null;
  /** `null`: 64 KiB. */
  tailBytes: number | null;
  /** Goes on with what is written until the signal aborts, or a later run begins. */
  follow: boolean;
}

const defaultDeaths = 10;
const maxDeaths = 100;
const defaultTailBytes = 64 * 1024;
const maxTailBytes = 1024 * 1024;
const chunkBytes = 64 * 1024;
const followPollMs = 250;

export class EngineArchive {
  readonly #storeOf: (id: string) => EngineStore;
  readonly #clock: Clock;
  readonly #known: () => readonly string[];

  /** @param known engines that are or were there. An id becomes a path only then. */
  constructor(storeOf: (id: string) => EngineStore, known: () => readonly string[], clock: Clock) {
    this.#storeOf = storeOf;
    this.#known = known;
    this.#clock = clock;
  }

  /** Newest first. `null`: 10, at most 100. Throws `engine-unknown`. */
  async explain(engineId: string, limit: number | null): Promise<DeathRecord[]> {
    const journal = new DeathJournal(this.#store(engineId).directory);
    return journal.latest(Math.min(limit ?? defaultDeaths, maxDeaths));
  }

  /** Chunks of at most 64 KiB. Throws `engine-unknown`, `argument-invalid`. */
  async *tail(
    { engineId, incarnation, tailBytes, follow }: TailLogRequest,
    signal: AbortSignal,
  ): AsyncGenerator<string> {
    const store = this.#store(engineId);
    const runs = store.runs();
    const run = incarnation ?? runs[0];
    if (run === undefined || !runs.includes(run))
      throw new InfernodeError(
        'argument-invalid',
        `expected a run of engine "${engineId}" whose log is kept (${runs.join(', ') || 'none'}), got ${run ?? 'none'}`,
      );
    const path = join(store.runDir(run), 'engine.log');
    let offset = Math.max(0, (await logSize(path)) - Math.min(tailBytes ?? defaultTailBytes, maxTailBytes));
    while (!signal.aborted) {
      const { text, nextOffset } = await readLogFrom(path, offset, chunkBytes);
      offset = nextOffset;
      if (text !== '') yield text;
      else if (!follow || store.runs()[0] !== run) return;
      else await sleep(this.#clock, followPollMs, signal);
    }
  }

  #store(engineId: string): EngineStore {
    const known = this.#known();
    if (!known.includes(engineId)) throw engineUnknown(engineId, known);
    return this.#storeOf(engineId);
  }
}
