// The health rule of the source documents: 1 % of failures over five minutes, p99 TTFT over a limit; the clock is injected.
import { describe, expect, it } from 'vitest';
import { defaultHealthRule, HealthRule } from '../../../src/placement/health-rule.js';
import { InMemoryModelPlacement } from '../../../src/placement/model-placement.js';
import { endpointState, request } from './placement-fixtures.js';

const minute = 60_000;

function ruleWith(over = {}): HealthRule {
  return new HealthRule({ ...defaultHealthRule, ...over });
}

describe('one endpoint', () => {
  it('is in breach above 1 % of failures, not at 1 %', () => {
    const rule = ruleWith();
    for (let i = 0; i < 200; i += 1) rule.attempted(i, i % 100 === 0);
    expect(rule.breach(200)).toBeNull();
    rule.attempted(201, true);
    expect(rule.breach(201)).toBe('errors');
  });

  it('says nothing below a hundred attempts', () => {
    const rule = ruleWith();
    for (let i = 0; i < 99; i += 1) rule.attempted(i, true);
    expect(rule.breach(100)).toBeNull();
    rule.attempted(100, false);
    expect(rule.breach(100)).toBe('errors');
  });

  it('forgets after five minutes, to half a minute, whether or not anything happens', () => {
    const rule = ruleWith();
    for (let i = 0; i < 100; i += 1) rule.attempted(minute, i < 5);
    expect(rule.breach(5.4 * minute)).toBe('errors');
    expect(rule.breach(6 * minute)).toBeNull();
    for (let i = 0; i < 100; i += 1) rule.attempted(6 * minute, false);
    expect(rule.breach(6 * minute)).toBeNull();
  });

  it('is in breach when more than one first token in a hundred is later than the limit; without one, never', () => {
    const [limited, unlimited] = [ruleWith({ ttftP99Ms: 500 }), ruleWith()];
    for (const rule of [limited, unlimited])
      for (let i = 0; i < 200; i += 1) rule.firstToken(i, i < 2 ? 501 : 500);
    expect(limited.breach(200)).toBeNull();
    for (const rule of [limited, unlimited]) rule.firstToken(201, 30_000);
    expect([limited.breach(201), unlimited.breach(201)]).toEqual(['ttft', null]);
  });
});

describe('placement', () => {
  function placementOf(count: number, healthRule = {}): InMemoryModelPlacement {
    const placement = new InMemoryModelPlacement({ healthRule, breaker: { consecutiveFailures: Infinity } });
    for (let i = 0; i < count; i += 1) placement.upsert(endpointState(`n/e${i}`));
    return placement;
  }
  const weights = (placement: InMemoryModelPlacement): number[] => placement.members().map((m) => m.weight);
  /** Two in a hundred: far below the breaker. */
  function fail(placement: InMemoryModelPlacement, id: string, nowMs: number): void {
    for (let i = 0; i < 100; i += 1)
      if (i % 50 === 0) placement.reportFailure(id, nowMs);
      else placement.reportSuccess(id, nowMs);
  }

  it('gives an endpoint in breach half the weight, keeps it eligible, and restores it when the window has passed', () => {
    const placement = placementOf(3);
    fail(placement, 'n/e1', 0);
    placement.decide(request('a', [1]), 2_000);
    expect(weights(placement)).toEqual([1, 0.5, 1]);
    expect(placement.members()[1]!.breach).toBe('errors');
    expect(placement.explain(request('b', [2]), 2_000).refused).toEqual([]);
    placement.decide(request('c', [3]), 5.6 * minute);
    expect(weights(placement)).toEqual([1, 1, 1]);
  });

  it('judges first tokens by the limit of the model', () => {
    const placement = placementOf(1, { ttftP99Ms: 500, minimumRequests: 10 });
    for (let i = 0; i < 10; i += 1) {
      placement.decide(request(`r${i}`, [i]), i * 1_000);
      placement.firstToken(`r${i}`, i * 1_000 + (i === 9 ? 600 : 400));
      placement.done(`r${i}`, i * 1_000 + 700);
    }
    placement.decide(request('next', [1]), 20_000);
    expect(placement.members()[0]!.breach).toBe('ttft');
  });

  it('changes no decision where every endpoint is in breach: there is nobody better', () => {
    const [sick, well] = [placementOf(4), placementOf(4)];
    for (let i = 0; i < 4; i += 1) fail(sick, `n/e${i}`, 0);
    for (let i = 0; i < 400; i += 1) {
      const asked = request(`r${i}`, [i % 40, 1000 + i, 2000 + i]);
      expect(sick.decide(asked, 2_000 + i).endpoint).toBe(well.decide(asked, 2_000 + i).endpoint);
    }
    expect(weights(sick)).toEqual([0.5, 0.5, 0.5, 0.5]);
  });

  it('starts anew with a new incarnation', () => {
    const placement = placementOf(2);
    fail(placement, 'n/e0', 0);
    placement.decide(request('a', [1]), 2_000);
    placement.upsert(endpointState('n/e0', { incarnation: '2' }));
    placement.decide(request('b', [1]), 4_000);
    expect(weights(placement)).toEqual([1, 1]);
  });
});
