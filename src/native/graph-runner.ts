/**
 * Encodes or decodes the blocks of paged KV caches on a GPU as one replayed CUDA graph (`native/kvquant/cuda/graph_runner.h`).
 *
 * CUDA is opened in the process that makes a runner: an engine's worker, a benchmark, a test; never the agent's. The caches lie on
 * the device and are the runner's; arrays that go in and out are the caller's and are copied, so nothing of JavaScript is
 * touched off its thread.
 */
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import { checkArray, checkGeometry, checkOneOf, checkWhole, refuse } from './kv-arguments.js';
import type { KvSection } from './kv-quantizer.js';
import { loadAddon, type Addon } from './load-addon.js';
import { toNativeError } from './native-errors.js';

export type GraphRun = Addon.KvGraphRun;
export type GraphStats = Addon.KvGraphStats;

export interface GraphRunnerOptions {
  /** `libcuda.so.1`, or a path. */
  library: string;
  /** The driver's index. */
  device: number;
  direction: 'encode' | 'decode';
  /** At least one; the same but for their formats. */
  sections: readonly KvSection[];
  /** Counts of records to capture, ascending from 1 on, at most 32 of them. */
  counts?: readonly number[];
  /** Most records of a run; 256, or the largest count. Runs beyond the largest count are eager. */
  capacity?: number;
  /** Thread blocks of the kernel, 0 (two for each multiprocessor) to 65535: fewer leave more of the GPU to the engine. */
  threadBlocks?: number;
}

export const defaultCounts = [1, 2, 4, 8, 16, 32, 64] as const;

/** Most records of a run. */
const maxRecords = 65536;

/** Runs that may wait for each other; one more is refused. */
export const maxPendingRuns = 16;

export class GraphRunner {
  readonly #native: Addon.KvGraphRunner;
  /** Buffers of the runs under way. */
  readonly #inUse = new Set<ArrayBufferLike>();
  #pending = 0;
  #closed = false;

  private constructor(
    native: Addon.KvGraphRunner,
    /** Says "simulated" where it is. */
    readonly deviceName: string,
  ) {
    this.#native = native;
  }

  /** Opens the driver and allocates. Rejects with `argument-invalid`, `DriverUnavailableError` or `CudaError`. */
  static async open(options: GraphRunnerOptions): Promise<GraphRunner> {
    const { library, device, direction, sections, counts = defaultCounts, threadBlocks = 0 } = options;
    checkList('counts', counts);
    const capacity = options.capacity ?? Math.max(256, ...counts);
    checkOptions({ library, device, direction, sections, counts, capacity, threadBlocks });
    const native = typed(
      () =>
        new (loadAddon().KvGraphRunner)(library, device, {
          direction,
          sections,
          counts,
          capacity,
          threadBlocks,
        }),
    );
    return new GraphRunner(native, await settled(native.open()));
  }

  /** Warms up and captures all counts, in place of earlier graphs. Without it every run is eager. */
  async capture(): Promise<void> {
    await this.#call(() => this.#native.capture());
  }

  /**
   * Encodes the blocks that the table names into `records`, or decodes them from it: section by section, one record for each
   * `blocksPerRecord` entries. Rejects with `argument-invalid` (also for a buffer that another run works on), `record-corrupt`,
   * `queue-full` or `CudaError`; after a sticky CUDA error every run does, and only a new process helps.
   */
  async run(table: Int32Array, records: Uint8Array): Promise<GraphRun> {
    checkArray('records', records, Uint8Array, 0);
    if (this.#inUse.has(records.buffer))
      throw new InfernodeError('argument-invalid', 'records: another run works on this buffer');
    if (this.#pending >= maxPendingRuns)
      throw new InfernodeError('queue-full', `expected at most ${maxPendingRuns} runs at a time`);
    const buffer = records.buffer;
    this.#inUse.add(buffer);
    this.#pending += 1;
    try {
      return await this.#call(() => this.#native.run(table, records));
    } finally {
      this.#inUse.delete(buffer);
      this.#pending -= 1;
    }
  }

  /** `values` is the whole cache of a section. */
  async writeCache(section: number, values: Uint16Array): Promise<void> {
    await this.#call(() => this.#native.writeCache(section, values));
  }

  async readCache(section: number, values: Uint16Array): Promise<void> {
    await this.#call(() => this.#native.readCache(section, values));
  }

  /** Gives the caches other addresses, with their contents; graphs follow without a new capture. */
  async moveCaches(): Promise<void> {
    await this.#call(() => this.#native.moveCaches());
  }

  /** Bytes that `records` must have for that many records a section. */
  recordBytes(records: number): number {
    checkWhole('records', records, 0, maxRecords);
    return this.#native.recordBytes(records);
  }

  async stats(): Promise<GraphStats> {
    return this.#call(() => this.#native.stats());
  }

  /** Waits for what runs, then gives everything back. Idempotent; every other call afterwards rejects with `NativeClosedError`. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await settled(this.#native.close());
  }

  #call<T>(call: () => Promise<T>): Promise<T> {
    return settled(typed(call));
  }
}

function checkList(name: string, list: unknown): void {
  if (!Array.isArray(list)) refuse(`${name}: expected an array, got ${String(list)}`);
}

function checkOptions(options: Required<GraphRunnerOptions>): void {
  const { library, device, direction, sections, counts, capacity, threadBlocks } = options;
  if (typeof library !== 'string') refuse(`library: expected a name or a path, got ${String(library)}`);
  checkWhole('device', device, 0, 1023);
  checkOneOf('direction', direction, ['encode', 'decode']);
  checkList('sections', sections);
  sections.forEach((section, i) => checkGeometry(section, `sections[${i}]`));
  counts.forEach((count, i) => checkWhole(`counts[${i}]`, count, 1, maxRecords));
  checkWhole('capacity', capacity, 1, maxRecords);
  checkWhole('threadBlocks', threadBlocks, 0, 65535);
}

const corruptCodes = new Set(['INFERNODE_KV_BAD_RECORD', 'INFERNODE_KV_BAD_CHECKSUM']);

function toTyped(error: unknown): unknown {
  const code = String((error as { code?: unknown }).code);
  if (!code.startsWith('INFERNODE_KV_') && !(error instanceof TypeError)) return toNativeError(error);
  return new InfernodeError(
    corruptCodes.has(code) ? 'record-corrupt' : 'argument-invalid',
    messageOf(error),
    { cause: error },
  );
}

function typed<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw toTyped(error);
  }
}

async function settled<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw toTyped(error);
  }
}
