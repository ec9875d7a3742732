/** The load that is foreseen: the hour of the week, the slope of the last minutes, one load time ahead. It may only raise the floor. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decideReplicas, ScalingMemory } from '../../../src/autoscaling/decide-replicas.js';
import { LoadForecast } from '../../../src/autoscaling/forecast-load.js';
import {
  defaultPolicy,
  type ModelSignals,
  type ScalingPolicy,
} from '../../../src/autoscaling/scaling-types.js';

const [second, minute, hour, week] = [1_000, 60_000, 3_600_000, 7 * 24 * 3_600_000];
const policy: ScalingPolicy = { ...defaultPolicy, forecastLoadTimeMs: 2 * minute };

/** Two replicas that carry `rate` with half of what their KV cache may hold: one carries `rate` at its target. */
const signals = (rate: number | null, over: Partial<ModelSignals> = {}): ModelSignals => ({
  model: 'm',
  replicas: { ready: 2, warming: 0, asleep: 0 },
  reporting: 2,
  queue: { requests: 0, tokens: 0 },
  running: 1,
  backlogSeconds: 0,
  kvCacheUsage: { mean: policy.kvCacheTarget / 2, max: 0.5 },
  sloRatio: 0,
  ttftP99Ms: null,
  gpuUtilizationRatio: null,
  incomingPerSecond: rate,
  inputAgeMs: 0,
  ...over,
});

function observe(
  forecast: LoadForecast,
  from: number,
  to: number,
  rate: (atMs: number) => number,
  everyMs = 10 * second,
): void {
  for (let atMs = from; atMs < to; atMs += everyMs) forecast.observe(signals(rate(atMs)), policy, atMs);
}

test('nothing is foreseen unless it is asked for, and not before enough was seen', () => {
  const forecast = new LoadForecast();
  expect(forecast.replicas(policy, 0)).toBeNull();
  observe(forecast, 0, 30 * minute, () => 10);
  expect(forecast.replicas({ ...policy, forecastLoadTimeMs: undefined }, 30 * minute)).toBeNull();
});

test('the slope goes on for one load time: a replica that is asked for now serves then', () => {
  const forecast = new LoadForecast();
  // Capacity first: 10 requests/s are half of what two replicas carry, so one carries 10.
  observe(forecast, 0, 10 * minute, () => 10);
  // Then one request/s more each minute, at an unknown use: 20 now, 22 in two minutes.
  for (let atMs = 10 * minute; atMs < 20 * minute; atMs += 10 * second) {
    const rate = 10 + (atMs - 10 * minute) / minute;
    forecast.observe(signals(rate, { kvCacheUsage: null, sloRatio: null }), policy, atMs);
  }
  expect(forecast.replicas(policy, 20 * minute)).toBe(3);
  expect(forecast.replicas({ ...policy, forecastLoadTimeMs: 12 * minute }, 20 * minute)).toBe(4);
});

test('a load that falls foresees nothing of itself', () => {
  const forecast = new LoadForecast();
  observe(forecast, 0, 10 * minute, (atMs) => 20 - atMs / minute);
  expect(forecast.replicas(policy, 10 * minute)).toBeNull();
});

test('the same hour of the week is remembered, nine tenths of it, and looked up one load time ahead', () => {
  const forecast = new LoadForecast();
  const busy = (atMs: number): number => (Math.floor(atMs / hour) % 168 === 9 ? 100 : 10);
  observe(forecast, 0, week, busy, minute);
  const at = week + 9 * hour;
  // At 8:57 it is quiet in two minutes still; at 8:58 the busy hour is two minutes away, of which each replica carries some share.
  expect(forecast.replicas(policy, at - 3 * minute)).toBeLessThanOrEqual(2);
  const first = forecast.replicas(policy, at - 2 * minute) ?? 0;
  expect(first).toBeGreaterThanOrEqual(5);
  // A quiet week in between takes a tenth of it away.
  observe(forecast, week, 2 * week, () => 10, minute);
  const second = forecast.replicas(policy, 2 * week + 9 * hour - 2 * minute) ?? 0;
  expect(second).toBeGreaterThanOrEqual(Math.floor(first * 0.8));
  expect(second).toBeLessThanOrEqual(first);
});

test('a wall clock that jumps costs the slope and nothing else', () => {
  const forecast = new LoadForecast();
  observe(forecast, week, week + 20 * minute, (atMs) => 10 + (atMs - week) / minute);
  expect(forecast.replicas(policy, week + 20 * minute)).not.toBeNull();
  forecast.observe(signals(10), policy, 0);
  expect(forecast.replicas(policy, 0)).toBeNull();
  observe(forecast, 10 * second, 10 * minute, () => 10);
  expect(forecast.replicas(policy, 10 * minute)).toBeNull();
});

test('readings that are missing or nonsense are not learnt', () => {
  const forecast = new LoadForecast();
  for (const rate of [null, Number.NaN, -5, Infinity])
    for (let i = 0; i < 100; i += 1) forecast.observe(signals(rate), policy, i * 10 * second);
  expect(forecast.replicas(policy, 20 * minute)).toBeNull();
});

test('whatever is foreseen, the decision is never below the one without it', () => {
  const any = fc.record({
    ready: fc.integer({ min: 0, max: 8 }),
    backlogSeconds: fc.option(fc.double({ min: 0, max: 10, noNaN: true })),
    forecast: fc.option(fc.oneof(fc.integer({ min: -5, max: 50 }), fc.constant(Number.NaN))),
  });
  fc.assert(
    fc.property(any, ({ ready, backlogSeconds, forecast }) => {
      const now = signals(10, {
        replicas: { ready, warming: 0, asleep: 0 },
        reporting: ready,
        backlogSeconds,
      });
      const without = decideReplicas(now, policy, new ScalingMemory(), hour);
      const given = { ...now, forecastReplicas: forecast };
      const decision = decideReplicas(given, policy, new ScalingMemory(), hour);
      expect(decision.desired).toBeGreaterThanOrEqual(without.desired);
      expect(decision.desired).toBeLessThanOrEqual(Math.max(policy.maxReplicas, ready));
    }),
  );
});
