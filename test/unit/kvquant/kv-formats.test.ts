// The exact formats: all 39 edge cases of the formats' text on both paths, the fast path pinned bit for bit to the slow
// reference on random and hostile blocks, the error bounds, and refusals that name the argument.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { runVector } from '../../../src/cli/kv-command.js';
import { dequantize, quantize, type KvBlockFormat } from '../../../src/native/kv-quantizer.js';

interface EdgeCase {
  id: string;
  case: string;
  dtype: 'bf16' | 'fp16';
  fmt: string;
  shape: [number, number, number];
  in: string;
  q: string;
  hdr: string;
  deq: string;
  nonfinite: number;
}

const { vectors } = JSON.parse(
  readFileSync(new URL('../../fixtures/kv-edge-cases.json', import.meta.url), 'utf8'),
) as { vectors: EdgeCase[] };
const codes = ['int8', 'int4s', 'int4a', 'e4m3', 'e5m2'] as const;
const groupings = ['head', 'tok', 'g32', 'g64', 'chan', 'g24'] as const;

describe.each(['scalar', 'simd'] as const)('%s', (path) => {
  test.each(vectors.map((vector) => [vector.id, vector.case, vector] as const))('%s %s', (id, _, vector) => {
    const { q, hdr, deq, nonfinite } = runVector(vector, path, id);
    expect({ q, hdr, deq, nonfinite }).toEqual({
      q: vector.q,
      hdr: vector.hdr,
      deq: vector.deq,
      nonfinite: vector.nonfinite,
    });
  });
});

test('there are 39 edge cases', () => expect(vectors).toHaveLength(39));

type Bits = Uint8Array | Uint16Array | Uint32Array;

/** Compares bytes first: a deep comparison of every element is only worth its time when they differ. */
function expectSameBits(actual: Bits, expected: Bits): void {
  const bytes = (array: Bits): Buffer => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  if (!bytes(actual).equals(bytes(expected))) expect(actual).toEqual(expected);
}

/** A small deterministic generator, so that a failure names one seed. */
function random(seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

const float32 = new Float32Array(1);
const bits32 = new Uint32Array(float32.buffer);
function bf16Bits(value: number): number {
  float32[0] = value;
  return bits32[0]! >>> 16;
}
function bf16Value(bits: number): number {
  bits32[0] = (bits << 16) >>> 0;
  return float32[0]!;
}

/** Normal values with, by `hostility`, any bit patterns, zero rows and outliers among them. */
function block(seed: number, length: number, hostility: number): Uint16Array {
  const next = random(seed);
  const values = Uint16Array.from({ length }, () => bf16Bits((next() + next() + next() - 1.5) * 4));
  for (let i = 0; i < hostility; i += 1) values[Math.floor(next() * length)] = Math.floor(next() * 65536);
  if (hostility > 3) values.fill(0, 0, Math.floor(length / 4));
  return values;
}

describe.each(codes)('%s', (code) => {
  test.each(groupings)('%s: the fast path gives the bits of the reference', (grouping) => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.integer({ min: 1, max: 2 ** 31 }),
          tokens: fc.integer({ min: 1, max: 19 }),
          heads: fc.integer({ min: 1, max: 3 }),
          dim: fc.constantFrom(32, 64, 96, 128, 5, 48),
          hostility: fc.integer({ min: 0, max: 12 }),
          dtype: fc.constantFrom('bf16' as const, 'fp16' as const),
        }),
        ({ seed, tokens, heads, dim, hostility, dtype }) => {
          const of = (path: 'scalar' | 'simd'): KvBlockFormat => ({
            path,
            format: `${code}_${grouping}`,
            dtype,
            shape: [tokens, heads, dim],
          });
          const input = block(seed, tokens * heads * dim, hostility);
          const slow = quantize(of('scalar'), input);
          const fast = quantize(of('simd'), input);
          expect(fast.nonfinite).toBe(slow.nonfinite);
          expectSameBits(fast.headers, slow.headers);
          expectSameBits(fast.codes, slow.codes);
          expectSameBits(dequantize(of('simd'), fast), dequantize(of('scalar'), slow));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('any codes and headers decode to the same bits on both paths', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 31 }),
        fc.constantFrom('tok', 'chan', 'g32'),
        (seed, grouping) => {
          const of = (path: 'scalar' | 'simd'): KvBlockFormat => ({
            path,
            format: `${code}_${grouping}`,
            dtype: 'bf16',
            shape: [4, 1, 64],
          });
          const next = random(seed);
          const record = quantize(of('scalar'), block(seed, 256, 0));
          record.codes.forEach((_, i) => (record.codes[i] = Math.floor(next() * 256)));
          expectSameBits(dequantize(of('simd'), record), dequantize(of('scalar'), record));
        },
      ),
      { numRuns: 100 },
    );
  });
});

test.each(['int8_head', 'int8_tok', 'int4s_tok', 'int4a_g64', 'int4a_chan'])(
  '%s: the error stays within half a step and half an ulp',
  (format) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (seed) => {
        const spec: KvBlockFormat = { path: 'simd', format, dtype: 'bf16', shape: [8, 1, 64] };
        const input = block(seed, 512, 0);
        const record = quantize(spec, input);
        const output = dequantize(spec, record);
        const absmax = Math.max(...Array.from(input, (bits) => Math.abs(bf16Value(bits))));
        const steps = Array.from(record.headers, (bits) =>
          format.startsWith('int4a') ? bf16Value(bits >>> 16) : ((bits32[0] = bits), float32[0]!),
        );
        const halfUlp = 2 ** (Math.floor(Math.log2(absmax)) - 8);
        const bound = (Math.max(...steps) / 2) * (1 + 2 ** -12) + halfUlp;
        input.forEach((bits, i) =>
          expect(Math.abs(bf16Value(bits) - bf16Value(output[i]!))).toBeLessThanOrEqual(bound),
        );
      }),
      { numRuns: 50 },
    );
  },
);

test.each(['int8_head', 'int8_tok', 'int4s_tok', 'int4a_g64', 'e4m3_head'])(
  '%s: quantizing a dequantized block again changes no code',
  (format) => {
    for (let seed = 1; seed <= 12; seed += 1) {
      const spec: KvBlockFormat = { path: 'simd', format, dtype: 'bf16', shape: [16, 2, 128] };
      const once = quantize(spec, block(seed, 16 * 2 * 128, 0));
      expect(quantize(spec, dequantize(spec, once)).codes).toEqual(once.codes);
    }
  },
);

describe('refusals name what was expected', () => {
  const good: KvBlockFormat = { path: 'simd', format: 'int8_head', dtype: 'bf16', shape: [2, 2, 4] };
  test.each([
    ['an unknown format', { format: 'int3_head' }, /expected a format such as/],
    ['a run of zero', { format: 'int8_g0' }, /expected a format such as/],
    [
      'a rotation of an odd dim',
      { format: 'int8_tok_r', shape: [2, 2, 3] as [number, number, number] },
      /power-of-two dim/,
    ],
    ['no tokens', { shape: [0, 2, 4] as [number, number, number] }, /^shape\[0\]: expected 1 to .* got 0/],
    ['2^31 tokens', { shape: [2 ** 31, 2, 4] as [number, number, number] }, /^shape\[0\]: .* got 2147483648/],
    ['half a token', { shape: [1.5, 2, 4] as [number, number, number] }, /^shape\[0\]: .* got 1\.5/],
    ['2^40 values', { shape: [2 ** 20, 2 ** 20, 1] as [number, number, number] }, /^shape: /],
    ['two numbers', { shape: [2, 2] as unknown as [number, number, number] }, /^shape: expected \[tokens/],
    ['a type of its own', { dtype: 'f32' as KvBlockFormat['dtype'] }, /^dtype: /],
    ['a path of its own', { path: 'gpu' as KvBlockFormat['path'] }, /^path: /],
  ])('%s', (_, over, message) => {
    expect(() => quantize({ ...good, ...over }, new Uint16Array(16))).toThrow(message);
  });

  test('a buffer that is too small, and a detached one', () => {
    expect(() => quantize(good, new Uint16Array(15))).toThrow(
      /^input: expected at least 16 elements, got 15/,
    );
    const detached = new Uint16Array(16);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    expect(() => quantize(good, detached)).toThrow(/^input: .*detached/);
    expect(() => quantize(good, new Uint8Array(32) as unknown as Uint16Array)).toThrow(
      /^input: expected a Uint16/,
    );
    const { codes, headers } = quantize(good, new Uint16Array(16));
    expect(() => dequantize(good, { codes: codes.subarray(1), headers })).toThrow(/^codes or headers: /);
    expect(() => dequantize(good, { codes, headers: undefined as unknown as Uint32Array })).toThrow(
      /^headers: /,
    );
  });
});
