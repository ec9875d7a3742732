// The precision plan: what a profile gives, what raises a section, and the rules that hold for every plan.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keptShare, layerImportance } from '../../../src/kvcache/layer-importance.js';
import {
  kvProfiles,
  planPrecision,
  type KvSide,
  type SectionPlan,
} from '../../../src/kvcache/precision-plan.js';

const formats = (plan: SectionPlan[], layer: number): string[] =>
  plan.filter((section) => section.layer === layer).map(({ format }) => format);

test.each([
  ['q4', ['int4a_chan', 'int4a_g64'], ['int8_chan', 'int8_tok']],
  ['k8v4', ['int8_chan', 'int4a_g64'], ['raw', 'int8_tok']],
  ['q8', ['int8_chan', 'int8_tok'], ['raw', 'raw']],
  ['raw', ['raw', 'raw'], ['raw', 'raw']],
] as const)(
  '%s: the middle as the profile says, two layers at each end one step higher',
  (profile, middle, edge) => {
    const plan = planPrecision({ layers: 8, profile });
    expect(plan).toHaveLength(16);
    for (const layer of [0, 1, 6, 7]) expect(formats(plan, layer)).toEqual(edge);
    for (const layer of [2, 3, 4, 5]) expect(formats(plan, layer)).toEqual(middle);
  },
);

test('a section over the gate goes one step higher and says why; one on the gate stays', () => {
  const errorOf = (layer: number, side: KvSide): number | undefined =>
    side === 'keys' ? { 3: 0.2, 4: 0.1 }[layer] : undefined;
  const plan = planPrecision({ layers: 8, profile: 'q4', errorGate: 0.1, errorOf });
  expect(formats(plan, 3)).toEqual(['int8_chan', 'int4a_g64']);
  expect(plan.find(({ layer, side }) => layer === 3 && side === 'keys')?.raisedFor).toEqual(['error-gate']);
  expect(formats(plan, 4)).toEqual(['int4a_chan', 'int4a_g64']);
});

test('values over the gate take the keys with them', () => {
  const plan = planPrecision({
    layers: 8,
    profile: 'q4',
    errorOf: (layer, side) => (layer === 3 && side === 'values' ? 1 : 0),
  });
  expect(formats(plan, 3)).toEqual(['int8_chan', 'int8_tok']);
  expect(plan.find(({ layer, side }) => layer === 3 && side === 'keys')?.raisedFor).toEqual([
    'keys-at-least-values',
  ]);
});

test('an error that is not a number is over any gate', () => {
  expect(formats(planPrecision({ layers: 8, profile: 'q4', errorOf: () => NaN }), 3)).toEqual([
    'int8_chan',
    'int8_tok',
  ]);
});

test('keys never have less than values, and no section less than its profile', () => {
  const rank = { int4a_chan: 0, int4a_g64: 0, int8_chan: 1, int8_tok: 1, raw: 2 } as Record<string, number>;
  fc.assert(
    fc.property(
      fc.constantFrom(...kvProfiles),
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.double({ min: 0, max: 0.3, noNaN: true }), { minLength: 24, maxLength: 24 }),
      (profile, layers, errors) => {
        const base = planPrecision({ layers: 100, profile }).slice(100, 102);
        const plan = planPrecision({
          layers,
          profile,
          errorOf: (layer, side) => errors[2 * layer + Number(side === 'keys')],
        });
        for (let i = 0; i < plan.length; i += 2) {
          expect(rank[plan[i]!.format]).toBeGreaterThanOrEqual(rank[plan[i + 1]!.format]!);
          for (const side of [0, 1])
            expect(rank[plan[i + side]!.format]).toBeGreaterThanOrEqual(rank[base[side]!.format]!);
        }
      },
    ),
  );
});

test.each([
  [{ layers: 0, profile: 'q4' as const }, /layers: expected/],
  [{ layers: 1.5, profile: 'q4' as const }, /layers: expected/],
  [{ layers: 4, profile: 'q4' as const, errorGate: 0 }, /errorGate: expected/],
])('%o is refused', (request, message) => {
  expect(() => planPrecision(request)).toThrow(message);
});

test('importance is (mean |K| + mean |V|) x (1 + variance), the largest 1', () => {
  const statistics = (meanAbsKey: number, meanAbsValue: number, productVariance: number) => ({
    meanAbsKey,
    meanAbsValue,
    productVariance,
  });
  expect(layerImportance([statistics(1, 1, 1), statistics(1, 0, 0), statistics(0, 0, 5)])).toEqual([
    1, 0.25, 0,
  ]);
  expect(layerImportance([statistics(0, 0, 0)])).toEqual([0]);
  expect([1, 0.81, 0.8, 0.51, 0.5, 0].map(keptShare)).toEqual([0.8, 0.8, 0.6, 0.6, 0.4, 0.4]);
  expect(() => layerImportance([statistics(NaN, 0, 0)])).toThrow(/layers\[0\]/);
});
