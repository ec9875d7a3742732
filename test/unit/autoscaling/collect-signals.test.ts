// From what is known of replicas and gateway to signals: sums, what is not known, and what cannot be true.
import { expect, test } from 'vitest';
import { collectSignals, type ReplicaView } from '../../../src/autoscaling/collect-signals.js';
import type { GatewayRates, LatencySample } from '../../../src/autoscaling/gateway-window.js';

const replica = (over: Partial<ReplicaView> = {}): ReplicaView => ({
  id: 'a/e',
  state: 'ready',
  usable: true,
  ageMs: 200,
  kvCacheUsageRatio: 0.5,
  waiting: 0,
  gpuUtilizationRatio: 1,
  inFlight: 4,
  gpus: ['NVIDIA A10'],
  unprefilledTokens: 1000,
  prefillTokensPerSecond: 1000,
  ...over,
});
const sample = (count: number, seconds: number): LatencySample => ({
  count,
  quantile: () => (count > 0 ? seconds : null),
});
const rates = (over: Partial<GatewayRates> = {}): GatewayRates => ({
  requestsPerSecond: 5,
  answersPerSecond: 5,
  timeToFirstToken: sample(300, 0.25),
  interToken: sample(9000, 0.02),
  ...over,
});
const signals = (replicas: ReplicaView[], gateway = {}, slo = { ttftMs: 500, itlMs: 100 }) =>
  collectSignals(
    { model: 'm', slo, replicas },
    { queuedRequests: 0, queuedTokens: 0, rates: rates(), ageMs: 100, ...gateway },
  );

test('counts replicas by state, load over all ready ones', () => {
  const all = [
    replica({ waiting: 3 }),
    replica({ kvCacheUsageRatio: 0.9 }),
    replica({ usable: false }),
    replica({ state: 'starting', ageMs: 100 }),
    replica({ state: 'asleep' }),
    replica({ state: 'failed' }),
  ];
  expect(signals(all, { queuedRequests: 7, queuedTokens: 2000 })).toMatchObject({
    replicas: { ready: 2, warming: 1, asleep: 1 },
    reporting: 2,
    queue: { requests: 10, tokens: 2000 },
    running: 8,
    backlogSeconds: 2,
    kvCacheUsage: { mean: 0.7, max: 0.9 },
    sloRatio: 0.5,
    incomingPerSecond: 5,
    inputAgeMs: 200,
  });
});

test('the worse of both latencies counts', () => {
  expect(signals([replica()], {}, { ttftMs: 500, itlMs: 10 }).sloRatio).toBe(2);
});

test('a replica that was never measured counts as the mean; without any measurement the backlog is not known', () => {
  expect(signals([replica(), replica({ prefillTokensPerSecond: null })]).backlogSeconds).toBe(1);
  expect(signals([replica({ prefillTokensPerSecond: null })]).backlogSeconds).toBeNull();
  expect(signals([replica({ prefillTokensPerSecond: null, unprefilledTokens: 0 })]).backlogSeconds).toBe(0);
});

test('nobody asks, or all answers come whole: the promise is kept; requests without any token: not known', () => {
  const none = sample(0, 0);
  const quiet = rates({
    requestsPerSecond: 0,
    answersPerSecond: 0,
    timeToFirstToken: none,
    interToken: none,
  });
  expect(signals([replica()], { rates: quiet }).sloRatio).toBe(0);
  expect(signals([replica()], { rates: { ...quiet, requestsPerSecond: 1 } }).sloRatio).toBeNull();
  const whole = { ...quiet, requestsPerSecond: 1, answersPerSecond: 1 };
  expect(signals([replica()], { rates: whole })).toMatchObject({ sloRatio: 0, sloSamples: 0 });
  expect(signals([replica()]).sloSamples).toBe(300);
  expect(signals([replica()], { rates: null })).toMatchObject({ sloRatio: null, incomingPerSecond: null });
});

test.each([
  ['a ratio above 1', { kvCacheUsageRatio: 17 }],
  ['not a number', { kvCacheUsageRatio: NaN }],
  ['a negative queue', { waiting: -3 }],
  ['an infinite utilization', { gpuUtilizationRatio: Infinity }],
  ['silence', { ageMs: null }],
])('%s: the replica is there and does not report', (_, over) => {
  const got = signals([replica(), replica(over)]);
  expect(got).toMatchObject({ replicas: { ready: 2 }, reporting: 1 });
  expect(got.kvCacheUsage).toEqual({ mean: 0.5, max: 0.5 });
  expect(got.inputAgeMs).toBe(200);
});

test('when most replicas do not tell their cache use it is not known', () => {
  const quiet = replica({ kvCacheUsageRatio: null });
  expect(signals([replica(), quiet, quiet]).kvCacheUsage).toBeNull();
});
