/**
 * Batch sizes that an engine really ran: what CUDA graphs are worth capturing. Each look at its page weighs one, shared out by its
 * iteration histogram, which counts every step by its tokens; a page without one tells the size of this moment only. Kept on disk
 * beside the engine's record; counts are halved when there are many, so that last month weighs less than today.
 */
import { join } from 'node:path';
import type { StepSizes } from './engine-adapter.js';
import { readStateFile, saveStateFile } from '../runtime/state-file.js';
import type { Clock } from '../runtime/clock.js';

/** vLLM captures up to 512; above, all sizes are one. */
export const maxBatchSize = 512;
/** About three days of looks at a busy engine, one a second. */
const maxLooks = 262_144;
const saveEveryMs = 60_000;
const schema = 1;

export class BatchSizes {
  /** `counts[n]`: looks that met steps of n tokens, by their share of the steps. */
  readonly counts: number[];
  readonly #path: string;
  readonly #bootId: string;
  readonly #clock: Clock;
  #savedAtMs: number;
  #before: StepSizes | null = null;
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
  note(running: number, steps: StepSizes | null): void {
    const ran = steps ? stepsBetween(this.#before, steps, running) : [{ size: running, steps: 1 }];
    this.#before = steps;
    const total = ran.reduce((sum, { steps: some }) => sum + some, 0);
    if (!(total > 0) || !(steps || running >= 1)) return;
    for (const { size, steps: some } of ran) {
      const at = Math.min(maxBatchSize, Math.round(size));
      this.counts[at] = (this.counts[at] ?? 0) + some / total;
    }
    if (this.looks > maxLooks) this.counts.forEach((count, at) => (this.counts[at] = count / 2));
    if (this.#clock.monotonicMs() - this.#savedAtMs >= saveEveryMs) this.save();
  }

  /** Losing a minute of counts costs nothing, so a failure is left to the next time. */
  save(): void {
    this.#savedAtMs = this.#clock.monotonicMs();
    // Thousandths of a look are below what anybody asks.
    const data = { counts: this.counts.map((count) => Math.round(count * 1000) / 1000) };
    this.#saving = this.#saving
      .then(() => saveStateFile(this.#path, { schema, bootId: this.#bootId, data }))
      .catch(() => undefined);
  }

  async flush(): Promise<void> {
    if (this.looks > 0) this.save();
    await this.#saving;
  }
}

/**
 * Steps that no graph could be too small for, by size. A bucket tells the size between two limits only: the requests that run now where
 * they lie between them, else its upper limit, so that a graph chosen for it fits. Empty at the first page of a server.
 */
function stepsBetween(
  before: StepSizes | null,
  now: StepSizes,
  running: number,
): { size: number; steps: number }[] {
  if (before?.length !== now.length) return [];
  let above = 0;
  let below = 0;
  const ran: { size: number; steps: number }[] = [];
  for (const [at, { tokens, steps }] of now.entries()) {
    const upTo = steps - (before[at]?.steps ?? 0);
    // Its counters went back: another server.
    if (upTo < below) return [];
    if (tokens <= maxBatchSize)
      ran.push({ size: running > above && running <= tokens ? running : tokens, steps: upTo - below });
    [above, below] = [tokens, upTo];
  }
  return ran.filter(({ steps }) => steps > 0);
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
    counts.every((count) => Number.isFinite(count) && (count as number) >= 0)
  );
}
