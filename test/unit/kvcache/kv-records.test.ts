// Packed records from TypeScript: both layouts and paths through the block table, the error measured, and a reader that meets
// any bytes with a record or a typed error.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InfernodeError } from '../../../src/domain/error-codes.js';
import { readRun } from '../../../src/kvcache/block-store.js';
import { decodeRecords, encodeRecords, readRecord } from '../../../src/native/kv-quantizer.js';
import { cacheOf, recordOf, section } from './kv-block-fixture.js';

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof InfernodeError) return error.code;
    throw error;
  }
  return 'no error';
};

describe.each(['nhd', 'hnd'] as const)('%s', (layout) => {
  test.each(['int8_head', 'int8_chan', 'int4a_g32', 'e4m3_tok', 'int4s_tok_r', 'raw'])(
    '%s: two blocks per record, by the table, the same on both paths, and back',
    (format) => {
      const spec = section({ layout, format, blocksPerRecord: 2 });
      const cache = cacheOf(spec);
      const table = Int32Array.of(3, 0, 1, 2);
      const fast = encodeRecords(spec, cache, table);
      const slow = encodeRecords(spec, cache, table, 'scalar');
      expect(Buffer.from(fast.records).equals(Buffer.from(slow.records))).toBe(true);
      expect(readRecord(fast.records)).toEqual({
        format,
        dtype: 'bf16',
        tokens: 32,
        heads: 2,
        dim: 32,
        nonfinite: 0,
        bytes: fast.recordBytes,
      });
      expect(readRun(fast.records)).toHaveLength(2);
      const back = new Uint16Array(cache.length);
      decodeRecords(spec, fast.records, table, back);
      if (format === 'raw') expect(back).toEqual(cache);
      const again = encodeRecords(spec, back, table);
      expect(Math.max(...again.errors)).toBeLessThanOrEqual(Math.max(...fast.errors) + 0.01);
    },
  );
});

test('the measured error is about what the formats promise, and 0 for raw', () => {
  const worst = (format: string): number => {
    const spec = section({ format, heads: 8, dim: 128 });
    return Math.max(...encodeRecords(spec, cacheOf(spec), Int32Array.of(0)).errors);
  };
  expect(worst('raw')).toBe(0);
  expect(worst('int8_head')).toBeLessThan(0.02);
  expect(worst('int4a_g64')).toBeGreaterThan(worst('int8_head'));
  expect(worst('int4a_g64')).toBeLessThan(0.2);
});

test('values that are not finite are counted in the record', () => {
  const spec = section();
  const cache = cacheOf(spec);
  cache[5] = 0x7f80;
  const { records, nonfinite } = encodeRecords(spec, cache, Int32Array.of(0));
  expect(nonfinite).toBe(1);
  expect(readRecord(records).nonfinite).toBe(1);
});

describe('refused with a typed error', () => {
  const spec = section();
  const cache = cacheOf(spec);
  const good = recordOf();
  test.each([
    ['an entry outside the cache', () => encodeRecords(spec, cache, Int32Array.of(4)), 'argument-invalid'],
    ['a negative entry', () => encodeRecords(spec, cache, Int32Array.of(-1)), 'argument-invalid'],
    ['a cache too short', () => encodeRecords(spec, cache.subarray(1), Int32Array.of(0)), 'argument-invalid'],
    [
      '2^31 blocks',
      () => encodeRecords({ ...spec, blocks: 2 ** 31 }, cache, Int32Array.of(0)),
      'argument-invalid',
    ],
    ['0 blocks', () => encodeRecords({ ...spec, blocks: 0 }, cache, Int32Array.of(0)), 'argument-invalid'],
    [
      'half a record',
      () => encodeRecords({ ...spec, blocksPerRecord: 2 }, cache, Int32Array.of(0)),
      'argument-invalid',
    ],
    ['more than a call may take', () => encodeRecords(spec, cache, new Int32Array(5000)), 'argument-invalid'],
    [
      'records cut short',
      () => decodeRecords(spec, good.subarray(1), Int32Array.of(0), cache),
      'argument-invalid',
    ],
    [
      'records of another section',
      () => decodeRecords({ ...spec, format: 'e4m3_head' }, good, Int32Array.of(0), cache),
      'record-corrupt',
    ],
    ['an empty run', () => readRun(new Uint8Array(0)), 'record-corrupt'],
    ['a run with something behind it', () => readRun(Buffer.concat([good, Buffer.of(0)])), 'record-corrupt'],
  ])('%s', (_, work, code) => {
    expect(codeOf(work)).toBe(code);
  });

  test('a detached cache', () => {
    const detached = cacheOf(spec);
    structuredClone(detached.buffer, { transfer: [detached.buffer as ArrayBuffer] });
    expect(codeOf(() => encodeRecords(spec, detached, Int32Array.of(0)))).toBe('argument-invalid');
  });
});

test('no records is a call like any other', () => {
  const spec = section();
  expect(encodeRecords(spec, cacheOf(spec), new Int32Array(0)).records).toHaveLength(0);
});

test('any bytes are a typed error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      expect(codeOf(() => readRecord(bytes))).toBe('record-corrupt');
    }),
  );
});

test('a record with any bits changed, or cut anywhere, is a typed error', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.array(fc.tuple(fc.nat(1151), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 5 }),
      fc.option(fc.nat(1151), { nil: undefined }),
      (seed, flips, cut) => {
        const good = recordOf(seed);
        expect(good).toHaveLength(1152);
        const bad = Uint8Array.from(good).slice(0, cut);
        for (const [at, mask] of flips) if (at < bad.length) bad[at]! ^= mask;
        if (Buffer.from(bad).equals(Buffer.from(good))) return;
        expect(codeOf(() => readRun(bad))).toBe('record-corrupt');
      },
    ),
    { numRuns: 500 },
  );
});

test('records are read at any address', () => {
  const shifted = new Uint8Array(1152 + 3);
  shifted.set(recordOf(), 3);
  expect(readRecord(shifted.subarray(3)).bytes).toBe(1152);
});
