// Shows what the gateway relies on: choosing records, leases end once, the hard cap is exact, nobody eligible is said so.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InMemoryModelPlacement } from '../../../src/placement/model-placement.js';
import { endpointState, request } from './placement-fixtures.js';

function placementOf(count: number, over = {}): InMemoryModelPlacement {
  const placement = new InMemoryModelPlacement();
  for (let i = 0; i < count; i += 1) placement.upsert(endpointState(`n/e${i}`, over));
  return placement;
}

function totalInFlight(placement: InMemoryModelPlacement): number {
  return [...placement.inFlight().values()].reduce((sum, n) => sum + n, 0);
}

describe('one model', () => {
  it('sends a conversation back to where its prefix is', () => {
    const placement = placementOf(8);
    const first = placement.decide(request('a', [1, 2, 3]), 0);
    placement.done('a', 10);
    const second = placement.decide(request('b', [1, 2, 3, 4, 5]), 20);
    expect(second.endpoint).toBe(first.endpoint);
    expect(first.outcome).toBe('home');
  });

  it('keeps the hard cap exactly and says capped when waiting would help', () => {
    const placement = placementOf(3, { maxConcurrent: 4 });
    const decisions = Array.from({ length: 20 }, (_, i) => placement.decide(request(`r${i}`, [7, 8]), i));
    expect(decisions.filter((d) => d.endpoint !== null)).toHaveLength(12);
    expect([...placement.inFlight().values()]).toEqual([4, 4, 4]);
    expect(decisions[19]).toMatchObject({ endpoint: null, outcome: 'capped' });
    placement.done('r0', 30);
    expect(placement.decide(request('again', [7, 8]), 31).endpoint).toBe(decisions[0]!.endpoint);
  });

  it('answers none-eligible with the reason, and knows the home all the same', () => {
    const placement = placementOf(2, { deviceHealth: 'unhealthy', deviceReason: 'Xid 79' });
    const decision = placement.decide(request('a', [1]), 0);
    expect(decision).toMatchObject({ endpoint: null, outcome: 'none-eligible' });
    expect(decision.home).not.toBeNull();
    expect(decision.reason).toContain('Xid 79');
    expect(new InMemoryModelPlacement().decide(request('a', [1]), 0)).toMatchObject({
      endpoint: null,
      outcome: 'none-eligible',
      home: null,
    });
  });

  it('does not go back to an endpoint that the request has tried', () => {
    const placement = placementOf(3);
    const tried = new Set<string>();
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const { endpoint } = placement.decide({ ...request('a', [1, 2]), exclude: tried }, attempt);
      expect(tried.has(endpoint!)).toBe(false);
      tried.add(endpoint!);
    }
    expect(placement.decide({ ...request('a', [1, 2]), exclude: tried }, 9).outcome).toBe('none-eligible');
    expect(totalInFlight(placement)).toBe(0);
  });

  it('loses no lease and releases none twice, on any interleaving', () => {
    const event = fc.record({
      kind: fc.constantFrom('place', 'observe', 'first', 'done', 'leave', 'join', 'restart'),
      request: fc.integer({ min: 0, max: 12 }),
      endpoint: fc.integer({ min: 0, max: 3 }),
      tokens: fc.integer({ min: 0, max: 100_000 }),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), (events) => {
        const placement = placementOf(4);
        let incarnation = 1;
        for (const [nowMs, e] of events.entries()) {
          const [id, endpoint] = [`r${e.request}`, `n/e${e.endpoint}`];
          const asked = { id, tokens: e.tokens, chain: [1, e.request + 2] };
          if (e.kind === 'place') placement.decide(asked, nowMs);
          if (e.kind === 'observe') placement.observe(asked, endpoint, nowMs);
          if (e.kind === 'first') placement.firstToken(id, nowMs);
          if (e.kind === 'done') placement.done(id, nowMs);
          if (e.kind === 'leave') placement.leave(endpoint);
          if (e.kind === 'join') placement.upsert(endpointState(endpoint));
          if (e.kind === 'restart') {
            placement.upsert(endpointState(endpoint, { incarnation: String((incarnation += 1)) }));
          }
          for (const { load } of placement.members()) {
            for (const part of [load.queuedTokens, load.contextTokens, load.requests]) {
              expect(part).toBeGreaterThanOrEqual(0);
            }
            expect(load.waiting.size).toBeLessThanOrEqual(load.requests);
          }
        }
        for (let i = 0; i <= 12; i += 1) placement.done(`r${i}`, 1e6);
        for (const { load } of placement.members()) {
          expect(load).toMatchObject({ queuedTokens: 0, contextTokens: 0, requests: 0 });
          expect(load.waiting.size).toBe(0);
        }
      }),
    );
  });
});
