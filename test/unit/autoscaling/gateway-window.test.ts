// The last minute of the gateway out of growing counters: quantiles as Prometheus has them, and a new start when counts fall.
import { expect, test } from 'vitest';
import { GatewayWindow, windowMs } from '../../../src/autoscaling/gateway-window.js';
import type { GatewayCounts } from '../../../src/domain/gateway-counts.js';

const bounds = [0.1, 0.5, 1, Infinity];
const counts = (requests: number, atMost: number[]): GatewayCounts => ({
  requests,
  answers: requests / 2,
  queuedRequests: 0,
  queuedTokens: 0,
  timeToFirstToken: { bounds, atMost },
  interToken: { bounds, atMost: [0, 0, 0, 0] },
});

test('nothing is known before the second reading', () => {
  const window = new GatewayWindow();
  expect(window.rates()).toBeNull();
  window.add(counts(10, [1, 2, 3, 4]), 0);
  expect(window.rates()).toBeNull();
});

test('rates and quantiles are of the difference, linear inside a bucket', () => {
  const window = new GatewayWindow();
  window.add(counts(100, [50, 50, 50, 50]), 0);
  window.add(counts(120, [50, 60, 70, 70]), 10_000);
  const rates = window.rates();
  expect(rates).toMatchObject({ requestsPerSecond: 2, answersPerSecond: 1 });
  expect(rates?.timeToFirstToken.count).toBe(20);
  expect(rates?.timeToFirstToken.quantile(0.5)).toBe(0.5);
  expect(rates?.timeToFirstToken.quantile(0.75)).toBeCloseTo(0.75);
  expect(rates?.interToken.quantile(0.9)).toBeNull();
});

test('beyond the last bound it is that bound', () => {
  const window = new GatewayWindow();
  window.add(counts(0, [0, 0, 0, 0]), 0);
  window.add(counts(1, [0, 0, 0, 1]), 1000);
  expect(window.rates()?.timeToFirstToken.quantile(0.99)).toBe(1);
});

test('what lies before the window is left out', () => {
  const window = new GatewayWindow();
  for (let i = 0; i <= 40; i += 1) window.add(counts(i < 20 ? i : 20, [i, i, i, i]), i * 5000);
  expect(window.rates()).toMatchObject({ requestsPerSecond: 0 });
  expect(window.rates()?.timeToFirstToken.count).toBeLessThanOrEqual(windowMs / 5000 + 1);
});

test('a worker that was replaced makes the sums fall: the window starts anew, and no rate is negative', () => {
  const window = new GatewayWindow();
  window.add(counts(100, [5, 5, 5, 5]), 0);
  window.add(counts(60, [3, 3, 3, 3]), 5000);
  expect(window.rates()).toBeNull();
  window.add(counts(70, [4, 4, 4, 4]), 10_000);
  expect(window.rates()?.requestsPerSecond).toBe(2);
});
