/** Typed door to libinfernode_kv: quantizes KV-cache blocks with exact formats (`native/kvquant/README.md`). */
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import { loadAddon, type Addon } from './load-addon.js';

export const kvPaths = ['scalar', 'simd'] as const;
export type KvPath = Addon.KvPath;
export type KvDtype = Addon.KvDtype;
export type KvRecord = Addon.KvRecord;

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

function checked<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof InfernodeError) throw error;
    throw new InfernodeError('argument-invalid', messageOf(error), { cause: error });
  }
}
