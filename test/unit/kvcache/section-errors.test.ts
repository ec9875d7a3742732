// From measured errors to the plan: one head with outliers lifts its section, and only that.
import { expect, test } from 'vitest';
import { planPrecision } from '../../../src/kvcache/precision-plan.js';
import { SectionErrors } from '../../../src/kvcache/section-errors.js';
import { encodeRecords, type KvSection } from '../../../src/native/kv-quantizer.js';

const section: KvSection = {
  format: 'int4a_g64',
  dtype: 'bf16',
  layout: 'nhd',
  blockTokens: 16,
  heads: 2,
  dim: 64,
  blocks: 2,
  blocksPerRecord: 1,
};
const bf16 = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16;
/** Head 1 has one value of 100 in each row when `outliers`; all others lie between -1 and 1. */
const cacheOf = (outliers: boolean): Uint16Array =>
  Uint16Array.from({ length: 2 * 16 * 2 * 64 }, (_, i) => {
    const [head, channel] = [Math.floor(i / 64) % 2, i % 64];
    return bf16(outliers && head === 1 && channel === 5 ? 8 : ((i * 37) % 101) / 50 - 1);
  });
const table = Int32Array.of(0, 1);

test('a section whose worst head is over the gate goes one step higher', () => {
  const errors = new SectionErrors({ layers: 8, heads: 2 });
  for (let layer = 0; layer < 8; layer += 1)
    errors.observe(layer, 'values', encodeRecords(section, cacheOf(layer === 4), table));
  expect(errors.errorOf(4, 'values')).toBeGreaterThan(2 * errors.errorOf(3, 'values')!);
  expect(errors.errorOf(4, 'keys')).toBeUndefined();
  const gate = 1.5 * errors.errorOf(3, 'values')!;
  const plan = planPrecision({
    layers: 8,
    profile: 'k8v4',
    errorGate: gate,
    errorOf: (layer, side) => errors.errorOf(layer, side),
  });
  const raised = plan.filter(({ raisedFor }) => raisedFor.includes('error-gate'));
  expect(raised.map(({ layer, side, format }) => [layer, side, format])).toEqual([[4, 'values', 'int8_tok']]);
});

test('an error that is not a number stays one, and is over any gate', () => {
  const errors = new SectionErrors({ layers: 1, heads: 1 });
  errors.observe(0, 'keys', { errors: Float32Array.of(0.1, NaN) });
  expect(errors.errorOf(0, 'keys')).toBeNaN();
});

test.each([
  ['layers', () => new SectionErrors({ layers: 0, heads: 1 })],
  ['heads', () => new SectionErrors({ layers: 1, heads: 1.5 })],
  ['layer', () => new SectionErrors({ layers: 1, heads: 1 }).errorOf(1, 'keys')],
  [
    'errors',
    () => new SectionErrors({ layers: 1, heads: 2 }).observe(0, 'keys', { errors: new Float32Array(3) }),
  ],
])('bad %s', (name, run) => {
  expect(run).toThrow(expect.objectContaining({ code: 'argument-invalid' }) as Error);
  expect(run).toThrow(new RegExp(`^${name}: expected`));
});
