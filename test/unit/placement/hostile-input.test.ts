// Shows that no input makes placement wrong for good: clocks that jump, sizes that are none, ids with separators, chains
// without end, ends that come twice or first. Loads never fall below zero, the hard cap is exact, memory stays bounded.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPlacement } from '../../../src/placement/create-placement.js';
import { InMemoryModelPlacement } from '../../../src/placement/model-placement.js';
import { endpointState, request } from './placement-fixtures.js';

const ids = ['a', 'a/b', 'a/b/c', '', ' ', '\u0000', 'a#1', '__proto__', 'é'];
const step = fc.record({
  kind: fc.constantFrom('place', 'observe', 'first', 'done', 'leave', 'join'),
  id: fc.constantFrom(...ids),
  endpoint: fc.constantFrom(...ids.slice(0, 5)),
  nowMs: fc.oneof(fc.integer({ min: -1e6, max: 1e6 }), fc.constantFrom(0, 2 ** 53, -(2 ** 53))),
  tokens: fc.constantFrom(0, 1, 511, 1e9, -1, NaN, Infinity),
  capacity: fc.constantFrom(0, 1, 100, -5, NaN, Infinity),
  cached: fc.constantFrom(undefined, 0, 512, 1e12, -1, NaN),
  chain: fc.array(fc.constantFrom(0, 1, 2, 3, 2 ** 53 - 1), { maxLength: 6 }),
});

describe('placement before hostile input', () => {
  it('keeps loads at or above zero and the cap exact, on any interleaving and any clock', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const placement = new InMemoryModelPlacement();
        for (const { kind, id, endpoint, nowMs, tokens, capacity, cached, chain } of steps) {
          if (kind === 'join')
            placement.upsert(endpointState(endpoint, { capacityBlocks: capacity, maxConcurrent: 2 }));
          if (kind === 'leave') placement.leave(endpoint);
          if (kind === 'observe') placement.observe({ id, tokens, chain }, endpoint, nowMs);
          if (kind === 'first') placement.firstToken(id, nowMs, cached);
          if (kind === 'done') placement.done(id, nowMs);
          if (kind === 'place') {
            placement.done(id, nowMs);
            const before = placement.inFlight();
            const { endpoint: chosen } = placement.decide({ id, tokens, chain }, nowMs);
            if (chosen !== null) expect(before.get(chosen)).toBeLessThan(2);
            else expect([...before.values()].every((inFlight) => inFlight >= 2)).toBe(true);
          }
          for (const { load } of placement.members())
            for (const part of [load.queuedTokens, load.contextTokens, load.requests, load.unseenTokens])
              expect(part).toBeGreaterThanOrEqual(0);
        }
        for (const id of ids) placement.done(id, 0);
        for (const { load } of placement.members())
          expect(load).toMatchObject({ queuedTokens: 0, contextTokens: 0, requests: 0, unseenTokens: 0 });
      }),
    );
  });

  it('refuses a weight that is no share, by name', () => {
    const placement = createPlacement();
    for (const weight of [0, -1, NaN, Infinity])
      expect(() => placement.join('a/0', { capacityBlocks: 1, weight })).toThrow('weight above 0 for a/0');
    expect(placement.place({ id: 'x', tokens: 1, chain: [1] }, 0)).toBeNull();
  });

  it('takes a chain of 100,000 blocks and the empty one', () => {
    const placement = createPlacement();
    for (const id of ['a', 'b']) placement.join(id, { capacityBlocks: 1000 });
    const chain = Array.from({ length: 100_000 }, (_, i) => i + 1);
    const first = placement.place({ id: 'long', tokens: 512 * chain.length, chain }, 0);
    placement.done('long', 1);
    expect(placement.place({ id: 'again', tokens: 512 * chain.length, chain }, 2)).toBe(first);
    expect(placement.place({ id: 'empty', tokens: 0, chain: [] }, 3)).not.toBeNull();
  });

  it('stays bounded: blocks, and leases that nobody ends under the same ids', () => {
    const placement = new InMemoryModelPlacement({ constants: { memoryEntries: 4096 } });
    for (const id of ['n/a', 'n/b']) placement.upsert(endpointState(id, { capacityBlocks: 1e9 }));
    for (let i = 0; i < 20_000; i += 1)
      placement.decide(request(`r${i % 50}`, [3 * i + 1, 3 * i + 2, 3 * i + 3]), i);
    expect(placement.memoryUse().blocks).toBeLessThanOrEqual(4096);
    expect([...placement.inFlight().values()].reduce((sum, n) => sum + n, 0)).toBe(50);
  });
});
