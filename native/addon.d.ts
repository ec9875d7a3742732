/**
 * The addon's contract, in registration order; a test compares it with the built addon both ways. Import it only from
 * src/native. Objects are flat, every member is there, `null` is absent. Errors carry `code` and `call`.
 */

/** Names of the columns of one device's readings: members of `DeviceReading` in src/domain/device.ts. */
export const readingColumns: readonly string[];

/** Behind those in a row: members of `DeviceDetails` in src/domain/device-details.ts. */
export const detailColumns: readonly string[];

/** Columns of one NVLink: members of `LinkReading`. */
export const linkColumns: readonly string[];

/** NVML's function names by the numbers used in snapshots; the first is empty. */
export const callNames: readonly string[];

/** Upper bounds of the counts of `readCallTimes`, seconds; the last count has none. */
export const callTimeBounds: readonly number[];

/** `NVML_ERROR_GPU_IS_LOST` for 15; `NVML_ERROR_<n>` for a code that is not known. */
export function returnName(code: number): string;

/**
 * Where things lie in the buffer of `readSnapshot`. Header: driver state (the order of `DriverStateNumber`), inventory
 * generation, heartbeat age ms, rounds, events written, events dropped, number of calls, number of devices
 * read, number of devices that the driver lists, `sample` commands answered, confidential computing (1: on) and whether it is
 * ready, excluded devices. A call: device index (-1: the driver), call number, age ms. A device: index, age ms, error code
 * (0: none), error call, processes listed (-1: not read), processes in all, readings of the slow class so far, NVLinks, MIG
 * instances and peers listed (-1: none or not read); then readings and details, pid, bytes and GPU instance of each process, the columns
 * of each link, total and used bytes of each MIG instance, P2P status by index of the other device. NaN: not supported or not
 * read; infinity: supported, and reading it failed.
 */
export const snapshotLayout: {
  readonly bufferLength: number;
  readonly callsAt: number;
  readonly callLength: number;
  readonly devicesAt: number;
  readonly deviceLength: number;
  readonly readingAt: number;
  readonly processesAt: number;
  readonly linksAt: number;
  readonly migsAt: number;
  readonly peersAt: number;
  readonly maxDevices: number;
  readonly maxProcesses: number;
};

/** Maps a sampler's snapshot. Throws `INFERNODE_SNAPSHOT_UNUSABLE`. */
export function openSnapshot(path: string): SnapshotReader;

export class SnapshotReader {
  private constructor();
  /** All devices in one crossing. Never waits: a part that is being written keeps its last whole value. */
  readSnapshot(buffer: Float64Array): void;
  /** The strings of the last `readSnapshot`; needed again only when the inventory generation has changed. */
  readInventory(): SnapshotInventory;
  /** By number of the call: seconds in all, then how many calls took up to each of `callTimeBounds`, and longer. */
  readCallTimes(): Float64Array;
  /** Idempotent; any other use afterwards throws `INFERNODE_CLOSED`. */
  close(): void;
}

/** NVML inside this process, for `doctor` and tests. Nothing is opened before the first `snapshot` or `acquire`. */
export function openNvml(path: string): NvmlSession;

export class NvmlSession {
  private constructor();
  /** Opens the driver unless it was released. Does not reject when it cannot: the state says why. */
  snapshot(): Promise<SessionSnapshot>;
  /** One event, or `null` after `timeoutMs` (at most 100). Rejects with the NVML code, or when the driver is not open. */
  waitEvent(timeoutMs: number): Promise<SessionEvent | null>;
  /** Frees event set, handles and NVML itself. */
  release(): Promise<void>;
  /** Rejects with `INFERNODE_DRIVER_UNAVAILABLE`. */
  acquire(): Promise<void>;
  /** Idempotent; any other use afterwards rejects with `INFERNODE_CLOSED`. */
  close(): Promise<void>;
}

/** 0 starting, 1 ok, 2 library-absent, 3 library-unusable, 4 init-failed, 5 no-device, 6 released. */
export type DriverStateNumber = 0 | 1 | 2 | 3 | 4 | 5 | 6;

export interface DeviceStrings {
  index: number;
  /** `null`: the driver lists the device but does not give a handle. */
  uuid: string | null;
  name: string;
  serial: string | null;
  pciBusId: string;
  minorNumber: number | null;
  vbios: string | null;
  inforom: string | null;
  partNumber: string | null;
  migs: { uuid: string; gpuInstance: number; computeInstance: number }[];
}

export interface SnapshotInventory {
  reason: string;
  driverVersion: string;
  nvmlVersion: string;
  devices: DeviceStrings[];
}

export interface SessionSnapshot {
  driverState: DriverStateNumber;
  reason: string;
  driverVersion: string;
  nvmlVersion: string;
  /** `numbers` is one device of a snapshot buffer. */
  devices: (DeviceStrings & { numbers: Float64Array })[];
}

export interface SessionEvent {
  kind: string;
  uuid: string | null;
  code: number;
  type: number;
}

/**
 * Sends one datagram to a service manager's socket (a path, or `@name`). `null` when it was taken, else the system's words for why not.
 * Never waits.
 */
export function sdNotify(socket: string, message: string): string | null;

export type KvPath = 'scalar' | 'simd';
export type KvDtype = 'bf16' | 'fp16';

/** One block in the memory layout of native/kvquant/infernode_kv.h. */
export interface KvRecord {
  codes: Uint8Array;
  /** One per group: f32 scale bits, or bf16 minimum and scale. */
  headers: Uint32Array;
  /** Values that are NaN, infinite or at least 2^120. */
  nonfinite: number;
}

/** Quantizes [tokens, heads, dim] contiguous 16-bit values. Throws a TypeError that says what was expected. */
export function kvEncode(
  path: KvPath,
  format: string,
  dtype: KvDtype,
  shape: readonly [number, number, number],
  input: Uint16Array,
): KvRecord;

export function kvDecode(
  path: KvPath,
  format: string,
  dtype: KvDtype,
  shape: readonly [number, number, number],
  codes: Uint8Array,
  headers: Uint32Array,
): Uint16Array;

/** Codes in record order (`chan`: channel by channel), as cross-checks exchange them. */
export function kvRecordOrder(
  path: KvPath,
  format: string,
  dtype: KvDtype,
  shape: readonly [number, number, number],
  codes: Uint8Array,
): Uint8Array;

/** The K or V of one layer in a paged cache that lies in one array: block i begins at i * blockTokens * heads * dim. */
export interface KvSection {
  format: string;
  dtype: KvDtype;
  /** Order inside a block: tokens, heads, dim (`nhd`) or heads, tokens, dim (`hnd`). */
  layout: 'nhd' | 'hnd';
  blockTokens: number;
  heads: number;
  dim: number;
  /** In the cache. */
  blocks: number;
  /** Blocks that one record covers, as the table names them. */
  blocksPerRecord: number;
}

export interface KvEncodedRecords {
  /** One after the other, `recordBytes` each. */
  records: Uint8Array;
  recordBytes: number;
  /** Relative error of what a decoder will get, by record, then head. */
  errors: Float32Array;
  nonfinite: number;
}

export interface KvRecordInfo {
  format: string;
  dtype: KvDtype;
  tokens: number;
  heads: number;
  dim: number;
  nonfinite: number;
  /** Of the whole record. */
  bytes: number;
}

/** Encodes the records that the table names. Throws a TypeError with a `code` such as `INFERNODE_KV_BAD_TABLE`. */
export function kvEncodeRecords(
  path: KvPath,
  section: KvSection,
  cache: Uint16Array,
  table: Int32Array,
): KvEncodedRecords;

/** Decodes records into the blocks that the table names. Throws as above, also for records that are not sound. */
export function kvDecodeRecords(
  path: KvPath,
  section: KvSection,
  records: Uint8Array,
  table: Int32Array,
  cache: Uint16Array,
): void;

/** Reads the head of the record at the beginning of `bytes`, and with `verify` its checksum. Throws as above. */
export function kvReadRecord(bytes: Uint8Array, verify: boolean): KvRecordInfo;

/** What `simd` runs on this processor: `avx512`, `avx2` or `portable`. */
export function kvSimdName(): string;

/** One or more sections of one geometry, captured as CUDA graphs (native/kvquant/cuda/graph_runner.h). */
export interface KvGraphOptions {
  direction: 'encode' | 'decode';
  /** The same but for their formats. */
  sections: readonly KvSection[];
  /** Counts of records to capture, ascending. */
  counts: readonly number[];
  /** Most records of a run; at least the largest count. */
  capacity: number;
  /** 0: two for each multiprocessor. */
  threadBlocks: number;
}

export interface KvGraphRun {
  /** Count of the graph that was replayed; 0: eager. */
  captured: number;
  nonfinite: number;
}

export interface KvGraphStats {
  captures: number;
  replays: number;
  eagerRuns: number;
  /** How often the caches got other addresses. */
  binds: number;
  records: number;
  paddedRecords: number;
  deviceBytes: number;
  pinnedBytes: number;
  graphBytes: number;
}

/** Caches on a GPU, and the graphs that encode or decode them. Errors carry the driver's enum name as `code`. */
export class KvGraphRunner {
  constructor(library: string, device: number, options: KvGraphOptions);
  /** Opens the driver and allocates; the device's name. Rejects with `INFERNODE_DRIVER_UNAVAILABLE`. */
  open(): Promise<string>;
  capture(): Promise<void>;
  /** Encodes into `records`, or decodes from it: section by section, one record for each of the table. */
  run(table: Int32Array, records: Uint8Array): Promise<KvGraphRun>;
  /** `values` is the whole cache of a section. */
  writeCache(section: number, values: Uint16Array): Promise<void>;
  readCache(section: number, values: Uint16Array): Promise<void>;
  /** Allocates the caches anew, with their contents. */
  moveCaches(): Promise<void>;
  recordBytes(records: number): number;
  stats(): Promise<KvGraphStats>;
  /** Idempotent; any other use afterwards rejects with `INFERNODE_CLOSED`. */
  close(): Promise<void>;
}

/**
 * How many events `bytes` are, when they are nothing but whole chunks (HTTP/1.1) of whole server-sent events in which none of `words` stands,
 * unless `:null` or `: null` follows it; else 0.
 */
export function countPlainEvents(words: readonly string[], bytes: Uint8Array): number;

/**
 * Carries plain events (`countPlainEvents`) from engines' sockets to clients'. `buffer` is what all of them are read into. With
 * `onBack(pair, begin, end, unsent)` a pair is given back, and must be ended: bytes [begin, end) of the buffer came from the engine and are
 * to be read, or with `unsent` are to be written to the client; none: the engine's socket has ended or failed. Throws
 * `INFERNODE_RELAY_UNAVAILABLE`.
 */
export class EventRelay {
  constructor(
    words: readonly string[],
    buffer: Uint8Array,
    onBack: (pair: number, begin: number, end: number, unsent: boolean) => void,
  );
  /**
   * Nobody else reads `engine` or writes to `client` (descriptors), or closes them, before `end`. `sinceMs`: since the last event. `gaps`: a
   * histogram of the gaps between arrivals that is counted up: n upper bounds in seconds, n + 1 counts, the sum. The pair, or -1 when the
   * kernel refuses.
   */
  begin(engine: number, client: number, sinceMs: number, gaps: Float64Array): number;
  /** Since `begin`. Throws when there is no such pair. */
  events(pair: number): number;
  /** Events since `begin`, and milliseconds since the last one. Throws when there is no such pair. */
  end(pair: number): [events: number, sinceMs: number];
  /** Idempotent; any other use afterwards throws `INFERNODE_CLOSED`. */
  close(): void;
}
