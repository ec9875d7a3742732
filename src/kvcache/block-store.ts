/**
 * Quantized KV blocks in host memory, under a hard budget: the seed of the tier that outlives an engine. An entry is a run
 * of packed records (`README.md`), such as the keys and values of all layers of one block of tokens. Records are verified
 * when they come and again when they are loaded: memory that sat for hours is not believed.
 */
import { InfernodeError } from '../domain/error-codes.js';
import { readRecord, type KvRecordInfo } from '../native/kv-quantizer.js';
import { createEviction, type EvictionName, type EvictionPolicy } from './eviction.js';
import { PageArena, pageBytes } from './page-arena.js';

/** Charged per entry besides its pages: key, map entries, page numbers and eviction's record, measured at 300 to 450 bytes. */
export const entryOverheadBytes = 512;
export const maxKeyLength = 128;

export type PutOutcome = 'stored' | 'replaced' | 'refused-nonfinite' | 'refused-too-large';

export interface KvBlockStoreOptions {
  /** Never exceeded: pages with their slack, and `entryOverheadBytes` for each entry. */
  budgetBytes: number;
  eviction: EvictionName;
  /** Called after every change; for metrics. */
  onChange?: (event: KvStoreEvent) => void;
}

export type KvStoreEvent =
  | { kind: 'put'; outcome: PutOutcome }
  | { kind: 'get'; outcome: 'hit' | 'miss' | 'corrupt' }
  | { kind: 'evicted' };

export interface KvStoreStats {
  entries: number;
  budgetBytes: number;
  /** What counts against the budget. */
  usedBytes: number;
  /** Records alone. */
  recordBytes: number;
}

interface Entry {
  pages: Uint32Array;
  byteLength: number;
}

export class KvBlockStore {
  readonly #options: KvBlockStoreOptions;
  readonly #eviction: EvictionPolicy;
  #arena: PageArena;
  readonly #entries = new Map<string, Entry>();
  #recordBytes = 0;
  #usedPages = 0;
  #closed = false;

  /** Throws `argument-invalid` for a budget under one page and one entry. */
  constructor(options: KvBlockStoreOptions) {
    const { budgetBytes } = options;
    if (!(Number.isSafeInteger(budgetBytes) && budgetBytes >= pageBytes + entryOverheadBytes))
      throw new InfernodeError(
        'argument-invalid',
        `budgetBytes: expected at least ${pageBytes + entryOverheadBytes}, got ${budgetBytes}`,
      );
    this.#options = options;
    this.#eviction = createEviction(options.eviction);
    this.#arena = new PageArena(Math.floor(budgetBytes / pageBytes));
  }

  /**
   * Stores a copy of a run of records, evicting others until it fits. Throws `record-corrupt` for bytes that are not sound
   * records, and `argument-invalid` for a bad key or importance.
   */
  put(key: string, records: Uint8Array, importance = 0): PutOutcome {
    this.#assertOpen();
    checkArguments(key, importance);
    const outcome = this.#put(key, records, importance);
    this.#options.onChange?.({ kind: 'put', outcome });
    return outcome;
  }

  #put(key: string, records: Uint8Array, importance: number): PutOutcome {
    if (readRun(records).some(({ nonfinite }) => nonfinite > 0)) return 'refused-nonfinite';
    if (chargeOf(records.length) > this.#options.budgetBytes) return 'refused-too-large';
    const replaced = this.delete(key);
    while (this.#usedBytes + chargeOf(records.length) > this.#options.budgetBytes) this.#evictOne();
    const pages = this.#arena.store(records)!;
    this.#entries.set(key, { pages, byteLength: records.length });
    this.#usedPages += pages.length;
    this.#recordBytes += records.length;
    this.#eviction.add(key, importance);
    return replaced ? 'replaced' : 'stored';
  }

  /** A verified copy, or `undefined`. An entry whose bytes have changed is dropped, and throws `record-corrupt`. */
  get(key: string): Uint8Array | undefined {
    this.#assertOpen();
    const entry = this.#entries.get(key);
    if (!entry) return this.#answer('miss', undefined);
    const records = this.#arena.load(entry.pages, entry.byteLength);
    try {
      readRun(records);
    } catch (error) {
      this.delete(key);
      this.#answer('corrupt', undefined);
      throw error;
    }
    this.#eviction.touch(key);
    return this.#answer('hit', records);
  }

  /** Looks without using: neither reads the bytes nor changes who leaves next. */
  has(key: string): boolean {
    return this.#entries.has(key);
  }

  delete(key: string): boolean {
    const entry = this.#entries.get(key);
    if (!entry) return false;
    this.#entries.delete(key);
    this.#eviction.remove(key);
    this.#arena.release(entry.pages);
    this.#usedPages -= entry.pages.length;
    this.#recordBytes -= entry.byteLength;
    return true;
  }

  get stats(): KvStoreStats {
    return {
      entries: this.#entries.size,
      budgetBytes: this.#options.budgetBytes,
      usedBytes: this.#usedBytes,
      recordBytes: this.#recordBytes,
    };
  }

  /** Gives the memory back. Idempotent; every other call afterwards throws. */
  close(): void {
    this.#closed = true;
    for (const key of [...this.#entries.keys()]) this.delete(key);
    this.#arena = new PageArena(0);
  }

  /** Where a test spoils a stored byte. */
  pageForTest(key: string): Uint8Array {
    return this.#arena.view(this.#entries.get(key)!.pages[0]!);
  }

  get #usedBytes(): number {
    return this.#usedPages * pageBytes + this.#entries.size * entryOverheadBytes;
  }

  #evictOne(): void {
    const key = this.#eviction.victim();
    if (key === undefined) throw new Error('a store over its budget has nothing to evict');
    this.delete(key);
    this.#options.onChange?.({ kind: 'evicted' });
  }

  #answer<T>(outcome: 'hit' | 'miss' | 'corrupt', value: T): T {
    this.#options.onChange?.({ kind: 'get', outcome });
    return value;
  }

  #assertOpen(): void {
    if (this.#closed) throw new InfernodeError('shutting-down', 'the KV block store is closed');
  }
}

/** What an entry of `byteLength` bytes of records counts against a budget. */
export function chargeOf(byteLength: number): number {
  return Math.ceil(byteLength / pageBytes) * pageBytes + entryOverheadBytes;
}

/** The records of a run, each verified. Throws `record-corrupt` for anything else, an empty run too. */
export function readRun(bytes: Uint8Array): KvRecordInfo[] {
  const records: KvRecordInfo[] = [];
  for (let at = 0; at < bytes.length || records.length === 0;) {
    const record = readRecord(bytes.subarray(at));
    records.push(record);
    at += record.bytes;
  }
  return records;
}

function checkArguments(key: string, importance: number): void {
  if (key.length === 0 || key.length > maxKeyLength)
    throw new InfernodeError(
      'argument-invalid',
      `key: expected 1 to ${maxKeyLength} characters, got ${key.length}`,
    );
  if (!(importance >= 0 && importance <= 1))
    throw new InfernodeError('argument-invalid', `importance: expected 0 to 1, got ${importance}`);
}
