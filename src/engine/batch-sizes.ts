/**
 * Batch sizes that an engine really ran, one count per size and look at its metrics: what CUDA graphs are worth capturing. Kept
 * on disk beside the engine's record; counts are halved when there are many, so that last month weighs less than today.
 */
import { join } from 'node:path';
import { readStateFile, saveStateFile } from '../runtime/state-file.js';
import type { Clock } from '../runtime/clock.js';

/** vLLM captures up to 512; above, all sizes are one. */
export const maxBatchSize = 512;
/** About three days of looks at a busy engine, one a second. */
const maxLooks = 262_144;
const saveEveryMs = 60_000;
const schema = 1;

export class BatchSizes {
  /** `counts[n]`: looks that met n running requests. */
  readonly counts: number[];
  readonly #path: string;
  readonly #bootId: string;
  readonly #clock: Clock;
  #savedAtMs: number;
  #saving: Promise<void> = Promise.resolve();

  constructor(directory: string, bootId: string, clock: Clock) {
    this.#path = batchSizesFile(directory);
    this.#bootId = bootId;
    this.#clock = clock;
    this.#savedAtMs = clock.monotonicMs();
    this.counts = readBatchSizes(this.#path) ?? new Array<number>(maxBatchSize + 1).fill(0);
  }

  get looks(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** An idle engine runs no batch. */
  note(running: number): void {
    if (!(running >= 1)) return;
    const size = Math.min(maxBatchSize, Math.round(running));
    this.counts[size] = (this.counts[size] ?? 0) + 1;
    if (this.looks > maxLooks) this.counts.forEach((count, at) => (this.counts[at] = count >> 1));
    if (this.#clock.monotonicMs() - this.#savedAtMs >= saveEveryMs) this.save();
  }

  /** Losing a minute of counts costs nothing, so a failure is left to the next time. */
  save(): void {
    this.#savedAtMs = this.#clock.monotonicMs();
    const data = { counts: [...this.counts] };
    this.#saving = this.#saving
      .then(() => saveStateFile(this.#path, { schema, bootId: this.#bootId, data }))
      .catch(() => undefined);
  }

  async flush(): Promise<void> {
    if (this.looks > 0) this.save();
    await this.#saving;
  }
}

export function batchSizesFile(directory: string): string {
  return join(directory, 'batch-sizes.json');
}

/** `null` when there are none that can be used. */
export function readBatchSizes(path: string): number[] | null {
  const read = readStateFile(path, schema, isCounts);
  return read.kind === 'found' ? read.document.data.counts : null;
}

function isCounts(data: unknown): data is { counts: number[] } {
  const counts = (data as { counts?: unknown } | null)?.counts;
  return (
    Array.isArray(counts) &&
    counts.length === maxBatchSize + 1 &&
    counts.every((count) => Number.isSafeInteger(count) && (count as number) >= 0)
  );
}
