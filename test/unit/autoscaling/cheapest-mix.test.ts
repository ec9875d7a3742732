// The cheapest mix against every mix there is, the spot share, and the ladder of GPUs with the figures of the source documents.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  cheapestMix,
  describeMix,
  ladderAdvice,
  type GpuPrices,
} from '../../../src/autoscaling/cheapest-mix.js';

/** Source documents: dollars per hour, requests per second; spot at 60 %. */
const figures: [string, number, number][] = [
  ['T4', 0.5, 5],
  ['L4', 0.8, 10],
  ['A10', 1.2, 20],
  ['A100', 3, 50],
  ['H100', 5, 80],
];
const prices = (maxSpotShare = 0): GpuPrices => ({
  gpus: Object.fromEntries(
    figures.map(([gpu, dollarsPerHour, requestsPerSecond]) => [
      gpu,
      { dollarsPerHour, requestsPerSecond, spotDollarsPerHour: dollarsPerHour * 0.6 },
    ]),
  ),
  maxSpotShare,
});

test('with the figures of the source documents the A10 carries most per dollar, and a small rest goes to a small GPU', () => {
  expect(cheapestMix(40, prices())?.counts).toEqual([{ gpu: 'A10', spot: false, replicas: 2 }]);
  expect(cheapestMix(28, prices())).toMatchObject({ dollarsPerHour: 2, requestsPerSecond: 30 });
  expect(describeMix(cheapestMix(40, prices()))).toBe('cheapest: 2 x A10, 2.40 $ per hour');
});

test('the spot share is a limit', () => {
  const half = cheapestMix(40, prices(0.5));
  expect(half?.dollarsPerHour).toBeCloseTo(1.2 + 0.72);
  expect(cheapestMix(40, prices(1))?.counts.every(({ spot }) => spot)).toBe(true);
});

test('what is not available is not advised; too little is said', () => {
  const few: GpuPrices = {
    gpus: {
      A10: { dollarsPerHour: 1.2, requestsPerSecond: 20, available: 1 },
      H100: { dollarsPerHour: 5, requestsPerSecond: 80, available: 1 },
    },
    maxSpotShare: 0,
  };
  expect(cheapestMix(40, few)?.counts).toEqual([{ gpu: 'H100', spot: false, replicas: 1 }]);
  expect(cheapestMix(101, few)).toBeNull();
  expect(describeMix(null)).toMatch(/no mix/);
});

test('it carries the load, and no mix of two types is cheaper by more than the rounding', () => {
  const offer = fc.record({
    dollarsPerHour: fc.integer({ min: 1, max: 20 }),
    requestsPerSecond: fc.integer({ min: 1, max: 40 }),
  });
  fc.assert(
    fc.property(offer, offer, fc.integer({ min: 1, max: 60 }), (a, b, load) => {
      const mix = cheapestMix(load, { gpus: { a, b }, maxSpotShare: 0 });
      expect(mix!.requestsPerSecond).toBeGreaterThanOrEqual(load - 1e-6);
      let least = Infinity;
      for (let i = 0; i * a.requestsPerSecond < load + a.requestsPerSecond; i += 1) {
        const rest = Math.max(0, load - i * a.requestsPerSecond);
        const dollars = i * a.dollarsPerHour + Math.ceil(rest / b.requestsPerSecond) * b.dollarsPerHour;
        least = Math.min(least, dollars);
      }
      expect(mix!.dollarsPerHour).toBeGreaterThanOrEqual(least);
      expect(mix!.dollarsPerHour).toBeLessThanOrEqual(least + Math.max(a.dollarsPerHour, b.dollarsPerHour));
    }),
  );
});

test('the ladder goes one step: up when busy and late, down when idle', () => {
  expect(ladderAdvice('NVIDIA L4', 0.95, 1500)).toBe('L4 is busy and late: A10 next');
  expect(ladderAdvice('NVIDIA L4', 0.95, 500)).toBe('');
  expect(ladderAdvice('NVIDIA H100 80GB HBM3', 0.95, 5000)).toBe('');
  expect(ladderAdvice('NVIDIA A100-SXM4-80GB', 0.1, null)).toBe('A100 is idle: A10 would do');
  expect(ladderAdvice('Tesla T4', 0.1, null)).toBe('');
  expect(ladderAdvice('NVIDIA B200', 0.1, null)).toBe('');
});
