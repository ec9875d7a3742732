/** Typed door to libinfernode_kv: quantizes KV-cache blocks with exact formats (`native/kvquant/README.md`). */
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import { loadAddon, type Addon } from './load-addon.js';

export const kvPaths = ['scalar', 'simd'] as const;
export type KvPath = Addon.KvPath;
export type KvDtype = Addon.KvDtype;
export type KvRecord = Addon.KvRecord;
export type KvSection = Addon.KvSection;
export type KvEncodedRecords = Addon.KvEncodedRecords;
export type KvRecordInfo = Addon.KvRecordInfo;

/** 16-bit values in one call: about 1 ms on the calling thread, which is the most that JavaScript should wait. */
export const maxValuesPerCall = 4 * 1024 * 1024;

export interface KvBlockFormat {
  path: KvPath;
  /** Such as `int8_head`, `int4a_g64`, `e4m3_tok`, `int4s_tok_r`. */
  format: string;
  dtype: KvDtype;
  /** [tokens, heads, dim]. */
  shape: readonly [number, number, number];
}

/** Quantizes one contiguous block. Throws `argument-invalid` for a bad format, shape or buffer. */
export function quantize({ path, format, dtype, shape }: KvBlockFormat, input: Uint16Array): KvRecord {
  return checked(() => loadAddon().kvEncode(path, format, dtype, shape, input));
}

export function dequantize(
  { path, format, dtype, shape }: KvBlockFormat,
  { codes, headers }: Pick<KvRecord, 'codes' | 'headers'>,
): Uint16Array {
  return checked(() => loadAddon().kvDecode(path, format, dtype, shape, codes, headers));
}

/** Codes channel by channel where memory has them side by side; the same for every other grouping. */
export function inRecordOrder({ path, format, dtype, shape }: KvBlockFormat, codes: Uint8Array): Uint8Array {
  return checked(() => loadAddon().kvRecordOrder(path, format, dtype, shape, codes));
}

/**
 * Encodes the blocks that the table names into packed records, and measures their error. Throws `argument-invalid` for a
 * bad section, table or buffer, and for more than `maxValuesPerCall` values.
 */
export function encodeRecords(
  section: KvSection,
  cache: Uint16Array,
  table: Int32Array,
  path: KvPath = 'simd',
): KvEncodedRecords {
  refuseLongCalls(section, table);
  return checked(() => loadAddon().kvEncodeRecords(path, section, cache, table));
}

/** Decodes packed records into the blocks that the table names. Also throws `record-corrupt`. */
export function decodeRecords(
  section: KvSection,
  records: Uint8Array,
  table: Int32Array,
  cache: Uint16Array,
  path: KvPath = 'simd',
): void {
  refuseLongCalls(section, table);
  checked(() => loadAddon().kvDecodeRecords(path, section, records, table, cache));
}

/** Reads, and verifies, the record at the beginning of any bytes. Throws `record-corrupt`. */
export function readRecord(bytes: Uint8Array): KvRecordInfo {
  try {
    return loadAddon().kvReadRecord(bytes, true);
  } catch (error) {
    if (error instanceof InfernodeError) throw error;
    throw new InfernodeError('record-corrupt', `expected a KV record: ${messageOf(error)}`, { cause: error });
  }
}

function refuseLongCalls({ blockTokens, heads, dim }: KvSection, table: Int32Array): void {
  const values = blockTokens * heads * dim * table.length;
  if (values > maxValuesPerCall)
    throw new InfernodeError(
      'argument-invalid',
      `table: expected at most ${maxValuesPerCall} values in one call, got ${values}`,
    );
}

const corruptCodes = new Set(['INFERNODE_KV_BAD_RECORD', 'INFERNODE_KV_BAD_CHECKSUM']);

function checked<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof InfernodeError) throw error;
    const corrupt = corruptCodes.has(String((error as { code?: unknown }).code));
    throw new InfernodeError(corrupt ? 'record-corrupt' : 'argument-invalid', messageOf(error), {
      cause: error,
    });
  }
}
