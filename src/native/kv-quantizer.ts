/** Typed door to libinfernode_kv: quantizes KV-cache blocks with exact formats (`native/kvquant/README.md`). */
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import {
  checkArray,
  checkGeometry,
  checkOneOf,
  checkWhole,
  kvDtypes,
  maxCount,
  refuse,
} from './kv-arguments.js';
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
export function quantize(block: KvBlockFormat, input: Uint16Array): KvRecord {
  const { path, format, dtype, shape } = block;
  checkArray('input', input, Uint16Array, checkBlock(block));
  return checked(() => loadAddon().kvEncode(path, format, dtype, shape, input));
}

export function dequantize(
  block: KvBlockFormat,
  { codes, headers }: Pick<KvRecord, 'codes' | 'headers'>,
): Uint16Array {
  const { path, format, dtype, shape } = block;
  checkBlock(block);
  checkArray('codes', codes, Uint8Array, 0);
  checkArray('headers', headers, Uint32Array, 0);
  return checked(() => loadAddon().kvDecode(path, format, dtype, shape, codes, headers), 'codes or headers');
}

/** Codes channel by channel where memory has them side by side; the same for every other grouping. */
export function inRecordOrder(block: KvBlockFormat, codes: Uint8Array): Uint8Array {
  const { path, format, dtype, shape } = block;
  checkBlock(block);
  checkArray('codes', codes, Uint8Array, 0);
  return checked(() => loadAddon().kvRecordOrder(path, format, dtype, shape, codes), 'codes');
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
  checkSection(section, table, cache);
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
  checkSection(section, table, cache);
  checkArray('records', records, Uint8Array, 0);
  const twice = table.findIndex((block, i) => table.indexOf(block) !== i);
  if (twice >= 0) refuse(`table[${twice}]: block ${table[twice]} is named twice`);
  checked(() => loadAddon().kvDecodeRecords(path, section, records, table, cache));
}

/** Reads, and verifies, the record at the beginning of any bytes. Throws `record-corrupt`, and `argument-invalid` for what are no bytes. */
export function readRecord(bytes: Uint8Array): KvRecordInfo {
  checkArray('bytes', bytes, Uint8Array, 0);
  try {
    return loadAddon().kvReadRecord(bytes, true);
  } catch (error) {
    if (error instanceof InfernodeError) throw error;
    throw new InfernodeError('record-corrupt', `expected a KV record: ${messageOf(error)}`, { cause: error });
  }
}

function checkSection(section: KvSection, table: Int32Array, cache: Uint16Array): void {
  checkGeometry(section);
  const { blockTokens, heads, dim, blocks, blocksPerRecord } = section;
  const blockValues = blockTokens * heads * dim;
  checkArray('table', table, Int32Array, 0);
  if (table.length % blocksPerRecord !== 0)
    refuse(`table: expected ${blocksPerRecord} entries for each record, got ${table.length}`);
  const outside = table.findIndex((block) => block < 0 || block >= blocks);
  if (outside >= 0) refuse(`table[${outside}]: expected 0 to ${blocks - 1}, got ${table[outside]}`);
  checkArray('cache', cache, Uint16Array, table.length > 0 ? blocks * blockValues : 0);
  const values = blockValues * table.length;
  if (values > maxValuesPerCall)
    refuse(`table: expected at most ${maxValuesPerCall} values in one call, got ${values}`);
}

/** The values of a block. */
function checkBlock({ format, dtype, shape }: KvBlockFormat): number {
  if (typeof format !== 'string') refuse(`format: expected a name, got ${String(format)}`);
  checkOneOf('dtype', dtype, kvDtypes);
  if (!Array.isArray(shape) || shape.length !== 3)
    refuse(`shape: expected [tokens, heads, dim], got ${String(shape)}`);
  shape.forEach((value: number, i) => checkWhole(`shape[${i}]`, value, 1, maxCount));
  const values = shape[0] * shape[1] * shape[2];
  checkWhole('shape', values, 1, maxCount);
  return values;
}

const corruptCodes = new Set(['INFERNODE_KV_BAD_RECORD', 'INFERNODE_KV_BAD_CHECKSUM']);

/** What is left for the library to refuse, by the argument that each result is about. */
const argumentOf: Record<string, string> = {
  INFERNODE_KV_BAD_FORMAT: 'format',
  INFERNODE_KV_BAD_SHAPE: 'shape',
  INFERNODE_KV_BAD_STRIDE: 'layout',
  INFERNODE_KV_BAD_TABLE: 'table',
  INFERNODE_KV_NO_PATH: 'path',
};

/** `buffer` is what a buffer that is too short is called. */
function checked<T>(call: () => T, buffer = 'buffer'): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof InfernodeError) throw error;
    const code = String((error as { code?: unknown }).code);
    const argument = code === 'INFERNODE_KV_SHORT_BUFFER' ? buffer : argumentOf[code];
    throw new InfernodeError(
      corruptCodes.has(code) ? 'record-corrupt' : 'argument-invalid',
      argument ? `${argument}: ${messageOf(error)}` : messageOf(error),
      { cause: error },
    );
  }
}
