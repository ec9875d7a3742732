// Shows when the breaker opens, that exactly one probe goes through, and that only the probe's outcome moves it then.
import { describe, expect, it } from 'vitest';
import { defaultBreakerOptions, EndpointBreaker } from '../../../src/placement/endpoint-breaker.js';
import { InMemoryModelPlacement } from '../../../src/placement/model-placement.js';
import { endpointState, request } from './placement-fixtures.js';

const { openMs, windowMs } = defaultBreakerOptions;

function opened(): EndpointBreaker {
  const breaker = new EndpointBreaker(defaultBreakerOptions);
  for (let i = 0; i < 5; i += 1) breaker.failed(0);
  return breaker;
}

describe('endpoint breaker', () => {
  it('opens at five failures in a row, not at four', () => {
    const breaker = new EndpointBreaker(defaultBreakerOptions);
    for (let i = 0; i < 4; i += 1) breaker.failed(0);
    breaker.succeeded(0);
    for (let i = 0; i < 4; i += 1) breaker.failed(0);
    expect(breaker.state(0)).toBe('closed');
    breaker.failed(0);
    expect(breaker.state(0)).toBe('open');
  });

  it('opens at half of ten requests in the window, and forgets what is older', () => {
    const mixed = (spacingMs: number): EndpointBreaker => {
      const breaker = new EndpointBreaker(defaultBreakerOptions);
      for (let i = 0; i < 10; i += 1) {
        if (i % 2 === 0) breaker.succeeded(i * spacingMs);
        else breaker.failed(i * spacingMs);
      }
      return breaker;
    };
    expect(mixed(1).state(10)).toBe('open');
    expect(mixed(windowMs / 4).state(10 * windowMs)).toBe('closed');
  });

  it('lets exactly one probe through after the wait', () => {
    const breaker = opened();
    expect(breaker.admits(openMs - 1)).toBe(false);
    expect(breaker.admits(openMs)).toBe(true);
    breaker.placed('probe', openMs);
    expect(breaker.admits(openMs)).toBe(false);
    expect(breaker.state(openMs)).toBe('half-open');
    breaker.succeeded(openMs, 'from before');
    expect(breaker.admits(openMs)).toBe(false);
    breaker.succeeded(openMs, 'probe');
    expect(breaker.state(openMs)).toBe('closed');
  });

  it('waits twice as long after a failed probe, up to the limit', () => {
    const breaker = opened();
    let nowMs = 0;
    let waitMs = openMs;
    for (let i = 0; i < 8; i += 1) {
      expect(breaker.admits(nowMs + waitMs - 1)).toBe(false);
      nowMs += waitMs;
      expect(breaker.admits(nowMs)).toBe(true);
      breaker.placed(`probe ${i}`, nowMs);
      breaker.failed(nowMs, `probe ${i}`);
      waitMs = Math.min(defaultBreakerOptions.maxOpenMs, waitMs * 2);
    }
    expect(waitMs).toBe(60_000);
  });

  it('frees the place of a probe whose client left, and still takes an outcome that comes after the end', () => {
    const breaker = opened();
    breaker.placed('a', openMs);
    breaker.ended('a');
    expect(breaker.admits(openMs)).toBe(true);
    breaker.placed('b', openMs);
    breaker.ended('b');
    breaker.succeeded(openMs, 'b');
    expect(breaker.state(openMs)).toBe('closed');
  });

  it('takes an endpoint out of placement and back with one probe', () => {
    const placement = new InMemoryModelPlacement();
    placement.upsert(endpointState('n/only'));
    for (let i = 0; i < 5; i += 1) placement.reportFailure('n/only', 0);
    expect(placement.decide(request('a', [1]), 1)).toMatchObject({
      endpoint: null,
      outcome: 'none-eligible',
    });
    expect(placement.decide(request('probe', [1]), openMs).endpoint).toBe('n/only');
    expect(placement.decide(request('second', [1]), openMs).endpoint).toBeNull();
    placement.done('probe', openMs + 1);
    placement.reportSuccess('n/only', openMs + 1, 'probe');
    expect(placement.decide(request('third', [1]), openMs + 2).endpoint).toBe('n/only');
  });

  it('starts anew with a new incarnation', () => {
    const placement = new InMemoryModelPlacement();
    placement.upsert(endpointState('n/only'));
    for (let i = 0; i < 5; i += 1) placement.reportFailure('n/only', 0);
    placement.upsert(endpointState('n/only', { incarnation: '2' }));
    expect(placement.decide(request('a', [1]), 1).endpoint).toBe('n/only');
  });
});
