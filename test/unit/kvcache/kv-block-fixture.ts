import { encodeRecords, type KvSection } from '../../../src/native/kv-quantizer.js';

export const section = (over: Partial<KvSection> = {}): KvSection => ({
  format: 'int8_head',
  dtype: 'bf16',
  layout: 'nhd',
  blockTokens: 16,
  heads: 2,
  dim: 32,
  blocks: 4,
  blocksPerRecord: 1,
  ...over,
});

/** bf16 values between 0.25 and 4, some negative, from a seed. */
export function cacheOf({ blocks, blockTokens, heads, dim }: KvSection, seed = 1): Uint16Array {
  let state = seed >>> 0 || 1;
  return Uint16Array.from({ length: blocks * blockTokens * heads * dim }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 0x3e80 + ((state >>> 16) & 0x1ff) + ((state >>> 31) << 15);
  });
}

/** One record of the default section: 64 + 1024 + 64 bytes. */
export function recordOf(seed = 1, over: Partial<KvSection> = {}): Uint8Array {
  const spec = section(over);
  return encodeRecords(
    spec,
    cacheOf(spec, seed),
    Int32Array.from({ length: spec.blocksPerRecord }, (_, i) => i),
  ).records;
}
