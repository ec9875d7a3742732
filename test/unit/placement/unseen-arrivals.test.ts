// Shows how work that other coordinators place, and tell late, keeps requests nearer to home, and that alone nothing changes.
import { describe, expect, it } from 'vitest';
import { createPlacement } from '../../../src/placement/create-placement.js';
import { UnseenArrivals } from '../../../src/placement/unseen-arrivals.js';

describe('work that others place', () => {
  it('is a rate over the last one to two seconds, and ends when nothing more is heard', () => {
    const arrivals = new UnseenArrivals();
    expect(arrivals.tokensPerMs(0)).toBe(0);
    for (let nowMs = 0; nowMs < 3_000; nowMs += 10) arrivals.observed(500, nowMs);
    expect(arrivals.tokensPerMs(2_999)).toBeCloseTo(50, 0);
    expect(arrivals.tokensPerMs(4_500)).toBeLessThan(50);
    expect(arrivals.tokensPerMs(6_000)).toBe(0);
  });

  it('is neither lost nor below zero where time goes backwards', () => {
    const arrivals = new UnseenArrivals();
    arrivals.observed(1_000, 10_000);
    arrivals.observed(1_000, 9_970);
    arrivals.observed(1_000, -5);
    expect(arrivals.tokensPerMs(9_000)).toBe(3);
    expect(arrivals.tokensPerMs(10_000)).toBe(3);
  });
});

/** The share of prompts that stay at home although a little work waits there. */
function shareAtHome(unseenCostMs: number, foreign: number): number {
  const count = 200;
  let atHome = 0;
  for (let prompt = 0; prompt < count; prompt += 1) {
    const placement = createPlacement({ constants: { unseenCostMs } });
    for (let i = 0; i < 8; i += 1) placement.join(`n${i}/e`, { capacityBlocks: 1000 });
    const chain = [7_919 * (prompt + 1)];
    const home = placement.place({ id: 'home', tokens: 300, chain }, 0);
    placement.done('home', 0);
    // It comes back with an empty cache: the prompt is at home there and not remembered.
    placement.leave(home!);
    placement.join(home!, { capacityBlocks: 1000 });
    for (let i = 0; i < foreign; i += 1) {
      const id = `f${i}`;
      placement.observe({ id, tokens: 500, chain: [1_000_003 * (i + 1)] }, `n${i % 8}/e`, i);
      placement.done(id, i);
    }
    placement.observe({ id: 'busy', tokens: 250, chain: [2] }, home!, 400);
    if (placement.place({ id: 'next', tokens: 500, chain }, 401) === home) atHome += 1;
  }
  return atHome / count;
}

it('keeps requests at home that a little load would have driven away, and only while others place', () => {
  expect(shareAtHome(120, 0)).toBe(shareAtHome(0, 0));
  expect(shareAtHome(120, 400)).toBeGreaterThan(shareAtHome(0, 400));
});
