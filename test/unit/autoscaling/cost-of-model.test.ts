/** What the replicas of a model cost, by the operator's prices and the driver's names of GPUs. */
import { expect, test } from 'vitest';
import type { ReplicaView } from '../../../src/autoscaling/collect-signals.js';
import { costOf } from '../../../src/autoscaling/cost-of-model.js';

/** Of the source documents. */
const prices = {
  gpus: {
    A10: { dollarsPerHour: 1.2, requestsPerSecond: 20 },
    A100: { dollarsPerHour: 3, requestsPerSecond: 50 },
    H100: { dollarsPerHour: 5, requestsPerSecond: 80 },
  },
  maxSpotShare: 0,
};
const replica = (...gpus: string[]): ReplicaView => ({
  ...{ id: 'a/0', state: 'ready', usable: true, ageMs: 0, gpus, inFlight: 0, unprefilledTokens: 0 },
  ...{ kvCacheUsageRatio: null, waiting: null, gpuUtilizationRatio: null, prefillTokensPerSecond: null },
});
const load = { incomingPerSecond: 20, gpuUtilizationRatio: 0.6, ttftP99Ms: 200 };
const cost = (replicas: ReplicaView[], over: Partial<typeof load> | object = {}) =>
  costOf({ replicas }, { ...load, ...over }, prices);

test('each GPU of each ready replica counts; the names are the driver’s', () => {
  const two = [replica('NVIDIA H100 80GB HBM3', 'NVIDIA H100 80GB HBM3'), replica('NVIDIA A10')];
  expect(cost(two)).toEqual({ dollarsPerHour: 11.2, advice: 'cheapest: 1 x A10, 1.20 $ per hour' });
  expect(cost([{ ...replica('NVIDIA A10'), state: 'asleep' }])?.dollarsPerHour).toBe(0);
});

test('an A100 is no A10, and a part number counts as its type', () => {
  expect(cost([replica('NVIDIA A100-SXM4-80GB')])?.dollarsPerHour).toBe(3);
  expect(cost([replica('NVIDIA A10')])?.dollarsPerHour).toBe(1.2);
});

test('a GPU without a price makes the sum unknown, not smaller', () => {
  expect(cost([replica('NVIDIA A10'), replica('NVIDIA L40S')])).toBeNull();
  expect(costOf({ replicas: [replica('NVIDIA A10')] }, load, undefined)).toBeNull();
});

test('advice only on what is known', () => {
  expect(cost([replica('NVIDIA A10')], { incomingPerSecond: null })?.advice).toBe('');
  const busy = { incomingPerSecond: null, gpuUtilizationRatio: 0.95, ttftP99Ms: 1500 };
  expect(cost([replica('NVIDIA A10')], busy)?.advice).toBe('A10 is busy and late: A100 next');
  expect(cost([replica('NVIDIA A10')], { ...busy, ttftP99Ms: null })?.advice).toBe('');
});
