// Answers in one piece: nobody sees their first token, so that their prefill is inferred, and their time teaches no pace.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { InMemoryModelPlacement } from '../../../src/placement/model-placement.js';
import type { PlacementRequest } from '../../../src/placement/placement-types.js';
import { endpointState, request } from './placement-fixtures.js';

function placementOf(count: number): InMemoryModelPlacement {
  const placement = new InMemoryModelPlacement({ healthRule: { minimumRequests: 1, ttftP99Ms: 1 } });
  for (let i = 0; i < count; i += 1) placement.upsert(endpointState(`n/e${i}`));
  return placement;
}
const whole = (id: string, chain: number[]): PlacementRequest => ({ ...request(id, chain), streams: false });
const queued = (placement: InMemoryModelPlacement): number => placement.members()[0]!.load.queuedTokens;

it('are past their prefill when a request that came later has its first token', () => {
  const placement = placementOf(1);
  placement.decide(whole('whole', [1, 2]), 0);
  placement.decide(request('stream', [3]), 1);
  placement.decide(whole('later', [4, 5, 6]), 2);
  expect(queued(placement)).toBe(6 * 512);
  placement.firstToken('stream', 10);
  expect(queued(placement)).toBe(3 * 512);
});

it('are past it when it must be over at the pace of their endpoint', () => {
  const placement = placementOf(1);
  placement.decide(whole('whole', [1, 2]), 0);
  placement.decide(request('other', []), 100);
  // 1,024 tokens at the assumed 10 per ms and a quarter more: 128 ms.
  expect(queued(placement)).toBe(1024);
  placement.decide(request('another', []), 130);
  expect(queued(placement)).toBe(0);
});

it('teach neither pace nor health by the time of the whole answer; of cached tokens they do teach', () => {
  const placement = placementOf(1);
  placement.decide(whole('whole', [1, 2]), 0);
  placement.firstToken('whole', 60_000, 0);
  placement.done('whole', 60_000);
  placement.decide(request('next', [9]), 62_000);
  const [member] = placement.members();
  expect(member).toMatchObject({ breach: null, weight: 1 });
  expect(member!.pace.tokensPerMs).toBeNull();
});

it('count in the pace of the stream behind them, whose time theirs is part of', () => {
  const placement = placementOf(1);
  placement.decide(request('stream', [3]), 0);
  placement.firstToken('stream', 51.2);
  placement.decide(request('second', [4]), 100);
  placement.decide(whole('whole', [1, 2, 5]), 100);
  placement.decide(request('third', [6]), 101);
  placement.firstToken('second', 151.2);
  placement.firstToken('third', 151.2 + 4 * 51.2);
  expect(placement.members()[0]!.pace.tokensPerMs).toBeCloseTo(10);
});

it('leave no load behind, on any interleaving with streams', () => {
  const step = fc.record({ op: fc.nat(3), id: fc.nat(9), streams: fc.boolean(), afterMs: fc.nat(400) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const placement = placementOf(3);
      let nowMs = 0;
      for (const { op, id, streams, afterMs } of steps) {
        nowMs += afterMs;
        if (op <= 1) placement.decide({ ...request(`r${id}`, [id, id + 100]), streams }, nowMs);
        if (op === 2) placement.firstToken(`r${id}`, nowMs);
        if (op === 3) placement.done(`r${id}`, nowMs);
        for (const { load } of placement.members())
          expect(Math.min(load.queuedTokens, load.unseenTokens, load.contextTokens)).toBeGreaterThanOrEqual(
            0,
          );
      }
      for (let id = 0; id < 10; id += 1) placement.done(`r${id}`, nowMs);
      for (const { load } of placement.members())
        expect([load.queuedTokens, load.unseenTokens, load.contextTokens, load.unseen.size]).toEqual([
          0, 0, 0, 0,
        ]);
    }),
  );
});
