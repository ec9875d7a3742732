// Shows the rules of the choice: the bound is never exceeded, a dry run changes nothing and agrees, the same log gives
// the same decisions in every order of joining.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPlacement } from '../../../src/placement/create-placement.js';
import { InMemoryModelPlacement } from '../../../src/placement/model-placement.js';
import { defaultConstants } from '../../../src/placement/placement-constants.js';
import { strategyNames } from '../../../src/domain/placement-strategy.js';
import { endpointState, request } from './placement-fixtures.js';

const asked = fc.record({
  conversation: fc.nat(15),
  length: fc.integer({ min: 1, max: 30 }),
  firstToken: fc.boolean(),
  end: fc.boolean(),
});
type Asked = typeof asked extends fc.Arbitrary<infer T> ? T : never;

function chainOf({ conversation, length }: Asked): number[] {
  return [1, ...Array.from({ length }, (_, i) => 1000 * (conversation + 1) + i)];
}

function placementOf(names: readonly string[]): InMemoryModelPlacement {
  const placement = new InMemoryModelPlacement();
  for (const name of names) placement.upsert(endpointState(name));
  return placement;
}

/** Plays a log and returns who got what. */
function play(placement: InMemoryModelPlacement, log: readonly Asked[]): (string | null)[] {
  return log.map((step, i) => {
    const { endpoint } = placement.decide(request(`r${i}`, chainOf(step)), i * 100);
    if (step.firstToken) placement.firstToken(`r${i}`, i * 100 + 40);
    if (step.end) placement.done(`r${i}`, i * 100 + 50);
    return endpoint;
  });
}

const names = ['n1/a', 'n1/b', 'n2/a', 'n2/b', 'n3/a', 'n3/b'];
const log = fc.array(asked, { maxLength: 150 });

describe('chwbl', () => {
  it('never exceeds the bound where anybody is within it', () => {
    fc.assert(
      fc.property(log, (steps) => {
        const placement = placementOf(names);
        steps.forEach((step, i) => {
          const what = request(`r${i}`, chainOf(step));
          const before = new Map(placement.members().map(({ state, load }) => [state.id, { ...load }]));
          const { candidates } = placement.explain(what, i);
          const { endpoint, reason } = placement.decide(what, i);
          const chosen = candidates.find((c) => c.endpoint === endpoint);
          if (candidates.some((c) => c.admitted)) expect(chosen?.admitted).toBe(true);
          if (chosen?.admitted) {
            const totalWork = [...before.values()].reduce(
              (sum, load) => sum + load.queuedTokens + load.contextTokens / 4,
              0,
            );
            const own = chosen.uncachedTokens + what.tokens / 4;
            const factor = chosen.holdsOwn ? 4 : 1.25;
            const load = before.get(chosen.endpoint)!;
            const slack = chosen.bound - (factor * (totalWork + own)) / names.length;
            expect(slack).toBeGreaterThanOrEqual(-1e-6);
            expect(load.queuedTokens + load.contextTokens / 4 + own).toBeLessThanOrEqual(chosen.bound);
          } else {
            expect(reason).toMatch(/within the bound/);
          }
          if (step.end) placement.done(`r${i}`, i);
        });
      }),
      { numRuns: 50 },
    );
  });

  it('decides the same for the same log, whatever the order of joining', () => {
    fc.assert(
      fc.property(log, fc.shuffledSubarray(names, { minLength: names.length }), (steps, order) => {
        expect(play(placementOf(order), steps)).toEqual(play(placementOf(names), steps));
      }),
      { numRuns: 40 },
    );
  });

  it('explains what it then does, and changes nothing by explaining', () => {
    fc.assert(
      fc.property(log, (steps) => {
        const explained = placementOf(names);
        steps.forEach((step, i) => {
          const what = request(`r${i}`, chainOf(step));
          const dry = explained.explain(what, i);
          explained.explain(what, i);
          expect(explained.decide(what, i)).toEqual({
            endpoint: dry.endpoint,
            outcome: dry.outcome,
            home: dry.home,
            reason: dry.reason,
          });
        });
      }),
      { numRuns: 30 },
    );
  });

  it('spreads one hot conversation when its endpoint is full, and finds the second one warm', () => {
    const placement = placementOf(names);
    const chain = [1, 2, 3, 4, 5, 6, 7, 8];
    const used = new Map<string, number>();
    for (let i = 0; i < 60; i += 1) {
      const { endpoint } = placement.decide(request(`r${i}`, [...chain, 100 + i]), i);
      used.set(endpoint!, (used.get(endpoint!) ?? 0) + 1);
    }
    expect(used.size).toBeGreaterThan(1);
    const { candidates } = placement.explain(request('x', [...chain, 999]), 60);
    expect(candidates.filter((c) => c.depth === 8).length).toBeGreaterThan(1);
  });

  it('prefers the endpoint that remembers to its home when they differ', () => {
    const placement = placementOf(names);
    // Shares mean something only after some traffic.
    for (let i = 0; i < 50; i += 1) {
      placement.decide(request(`w${i}`, [900 + i]), 0);
      placement.done(`w${i}`, 0);
    }
    const chain = [41, 42, 43, 44];
    const home = placement.explain(request('a', chain), 0).home!;
    placement.upsert(endpointState(home, { cordonHolders: ['operator:ann'] }));
    const away = placement.decide(request('a', chain), 0).endpoint;
    expect(away).not.toBe(home);
    placement.done('a', 1);
    placement.upsert(endpointState(home));
    expect(placement.decide(request('b', [...chain, 45]), 2)).toMatchObject({
      endpoint: away,
      outcome: 'remembered',
      home,
    });
  });

  it('goes around an endpoint that has become slow', () => {
    const placement = placementOf(['n/fast', 'n/slow']);
    let sentSlow = 0;
    for (let i = 0; i < 400; i += 1) {
      const nowMs = i * 1000;
      const chain = Array.from({ length: 10 }, (_, b) => i * 100 + b);
      const { endpoint } = placement.decide(request(`r${i}`, chain), nowMs);
      const slow = endpoint === 'n/slow';
      if (i >= 200 && slow) sentSlow += 1;
      placement.firstToken(`r${i}`, nowMs + (slow ? 900 : 300));
      placement.done(`r${i}`, nowMs + 950);
    }
    expect(sentSlow).toBeLessThan(40);
  });

  it('lets a session header decide the home', () => {
    const placement = placementOf(names);
    const homes = [[1], [2, 3], [4, 5, 6]].map(
      (chain, i) => placement.explain({ ...request(`r${i}`, chain), sessionKey: 'ann' }, 0).home,
    );
    expect(new Set(homes).size).toBe(1);
  });

  it('places requests without text by load', () => {
    const placement = placementOf(names);
    for (let i = 0; i < names.length; i += 1) placement.decide(request(`r${i}`, [], 100), i);
    expect([...placement.inFlight().values()]).toEqual(names.map(() => 1));
  });
});

describe('every strategy', () => {
  it.each(strategyNames)('%s keeps to eligible endpoints, ends clean and repeats itself', (strategy) => {
    const run = (): (string | null)[] => {
      const placement = new InMemoryModelPlacement({ strategy, seed: 7 });
      for (const name of names) placement.upsert(endpointState(name, { maxConcurrent: 20 }));
      placement.upsert(endpointState('n3/b', { engineState: 'draining' }));
      const got = Array.from(
        { length: 130 },
        (_, i) => placement.decide(request(`r${i}`, [1, (i % 9) + 2, i + 50]), i).endpoint,
      );
      expect(got).not.toContain('n3/b');
      expect(got.filter((endpoint) => endpoint !== null)).toHaveLength(100);
      for (let i = 0; i < 130; i += 1) placement.done(`r${i}`, 500);
      expect([...placement.inFlight().values()].every((count) => count === 0)).toBe(true);
      return got;
    };
    expect(run()).toEqual(run());
  });

  it('round-robin takes turns and least-outstanding levels', () => {
    for (const strategy of ['round-robin', 'least-outstanding'] as const) {
      const placement = createPlacement({ strategy });
      for (const name of names) placement.join(name, { capacityBlocks: 10 });
      const got = names.map((_, i) => placement.place({ id: String(i), tokens: 5, chain: [1] }, i));
      expect(new Set(got).size).toBe(names.length);
    }
  });

  it('weighted follows the weights', () => {
    const placement = createPlacement({ strategy: 'weighted', seed: 3 });
    placement.join('big', { capacityBlocks: 10, weight: 3 });
    placement.join('small', { capacityBlocks: 10, weight: 1 });
    let big = 0;
    for (let i = 0; i < 2000; i += 1) {
      if (placement.place({ id: String(i), tokens: 5, chain: [i] }, i) === 'big') big += 1;
    }
    expect(big / 2000).toBeGreaterThan(0.7);
    expect(big / 2000).toBeLessThan(0.8);
  });
});

describe('the replay interface', () => {
  it('shares what another coordinator placed', () => {
    const placement = createPlacement();
    for (const name of names) placement.join(name, { capacityBlocks: 1000 });
    const chain = [1, 2, 3, 4, 5, 6, 7, 8];
    const home = placement.place({ id: 'probe', tokens: 4096, chain }, 0)!;
    placement.done('probe', 0);
    placement.leave(home);
    placement.join(home, { capacityBlocks: 1000 });
    const elsewhere = names.find((name) => name !== home)!;
    placement.observe({ id: 'other', tokens: 4096, chain }, elsewhere, 1);
    placement.firstToken('other', 2);
    placement.done('other', 3);
    expect(placement.place({ id: 'next', tokens: 4608, chain: [...chain, 9] }, 4)).toBe(elsewhere);
  });

  it('remembers what has ended elsewhere as if it had seen it begin and end, without a time of its prefill', () => {
    const ended = new InMemoryModelPlacement();
    const seen = new InMemoryModelPlacement();
    const asked = { id: 'other', tokens: 4096, chain: [1, 2, 3, 4, 5, 6, 7, 8] };
    for (const placement of [ended, seen]) placement.upsert(endpointState('n/e', { capacityBlocks: 1000 }));
    ended.observe({ ...asked, ended: { cachedTokens: 512 } }, 'n/e', 1);
    seen.observe(asked, 'n/e', 1);
    seen.firstToken('other', 9, 512);
    expect(seen.members()[0]?.load.requests).toBe(1);
    seen.done('other', 9);
    for (const placement of [ended, seen])
      expect(placement.members()[0]?.load).toMatchObject({ requests: 0, queuedTokens: 0, contextTokens: 0 });
    expect(ended.heldBlocks('n/e')).toBeGreaterThan(0);
    expect(ended.heldBlocks('n/e')).toBe(seen.heldBlocks('n/e'));
    expect(ended.members()[0]?.pace.tokensPerMs).toBe(null);
    expect(seen.members()[0]?.pace.tokensPerMs).toBe((4096 - 512) / 8);
  });

  it('ignores endpoints it does not know and answers null with nobody there', () => {
    const placement = createPlacement();
    placement.observe({ id: 'a', tokens: 1, chain: [1] }, 'nobody', 0);
    placement.firstToken('a', 0);
    placement.done('a', 0);
    placement.leave('nobody');
    expect(placement.place({ id: 'b', tokens: 1, chain: [1] }, 0)).toBeNull();
  });

  it('survives token counts that are not numbers', () => {
    const placement = createPlacement();
    placement.join('a', { capacityBlocks: 10 });
    placement.join('b', { capacityBlocks: 10 });
    for (const [i, tokens] of [NaN, -5, Infinity, 1.5].entries()) {
      expect(placement.place({ id: String(i), tokens, chain: [i] }, 0)).not.toBeNull();
    }
    expect(defaultConstants.blockTokens).toBe(512);
  });
});
