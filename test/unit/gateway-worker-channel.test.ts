// Messages between gateway workers: soon after a pause, bounded in number under load, every event once and in order.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { batchOf, eventsOf, folded, WorkGatherer, type WorkEvent } from '../../src/gateway-worker-channel.js';
import { LiveLeases } from '../../src/live-leases.js';
import type { PlacedLease } from '../../src/placement/placement-types.js';
import { ManualClock } from '../support/manual-clock.js';

test('an event after a pause travels within 1 ms; under load the messages are as far apart as asked', () => {
  const clock = new ManualClock();
  const sent: { atMs: number; events: WorkEvent[] }[] = [];
  const startMs = clock.monotonicMs();
  const gatherer = new WorkGatherer<WorkEvent>(clock, 25, (events) =>
    sent.push({ atMs: clock.monotonicMs() - startMs, events }),
  );
  const ended = (n: number): WorkEvent => ({ kind: 'released', id: String(n) });
  gatherer.push(ended(0));
  clock.advance(1);
  expect(sent).toEqual([{ atMs: 1, events: [ended(0)] }]);
  for (let n = 1; n <= 1000; n++) {
    gatherer.push(ended(n));
    clock.advance(0.1);
  }
  clock.advance(25);
  expect(sent.flatMap(({ events }) => events)).toEqual(Array.from({ length: 1001 }, (_, n) => ended(n)));
  // 100 ms of load.
  expect(sent.length).toBeLessThanOrEqual(6);
  clock.advance(50);
  const before = sent.length;
  gatherer.push(ended(1001));
  clock.advance(1);
  expect(sent.length).toBe(before + 1);
});

const lease: PlacedLease = {
  id: 'a-1',
  requestId: 'r',
  endpointId: 'node/chat-0',
  tokens: 900,
  uncachedTokens: 388,
  chain: [2 ** 53 - 1, 0],
  streams: true,
};
const placed = (id: string): WorkEvent => ({ kind: 'placed', lease: { ...lease, id } });
const firstToken = (id: string, cachedTokens?: number): WorkEvent => ({
  kind: 'first-token',
  id,
  cachedTokens,
});
const released = (id: string): WorkEvent => ({ kind: 'released', id });

test('a batch is read as it was written', () => {
  const events: WorkEvent[] = [
    firstToken('a-0', 512),
    firstToken('a-0'),
    released('a-0'),
    { kind: 'rate', scopes: [{ key: 'k', perMinute: { requests: 6 } }], tokens: -3, settles: true },
    placed('a-1'),
    firstToken('a-1', 512),
  ] as WorkEvent[];
  expect(eventsOf(batchOf(events))).toEqual(events);
});

test('what began and ended within a batch is one event; what began or ended elsewhere stays as it is', () => {
  expect(
    folded([
      placed('short'),
      placed('long'),
      firstToken('old'),
      firstToken('short'),
      placed('failed'),
      released('old'),
      firstToken('short', 256),
      released('short'),
      released('failed'),
    ]),
  ).toEqual([
    firstToken('old'),
    released('old'),
    { kind: 'past', lease: { ...lease, id: 'short' }, started: true, cachedTokens: 256 },
    { kind: 'past', lease: { ...lease, id: 'failed' }, started: false, cachedTokens: undefined },
    placed('long'),
  ]);
});

test('whatever happens to leases, a fold says the same of those that live on, and of each that ended that it was', () => {
  const history = fc.array(
    fc.tuple(fc.nat({ max: 5 }), fc.constantFrom('placed', 'first-token', 'released')),
  );
  fc.assert(
    fc.property(history, fc.nat(), (steps, cut) => {
      // A lease is placed once, and nothing is said of it before or after its life.
      const states = new Map<number, 'live' | 'over'>();
      const events = steps.flatMap(([n, kind]): WorkEvent[] => {
        const id = `a-${n}`;
        const state = states.get(n);
        if (kind === 'placed' && state === undefined) {
          states.set(n, 'live');
          return [placed(id)];
        }
        if (kind === 'placed' || state !== 'live') return [];
        if (kind === 'released') states.set(n, 'over');
        return [kind === 'released' ? released(id) : firstToken(id)];
      });
      const at = events.length === 0 ? 0 : cut % events.length;
      const told = [...folded(events.slice(0, at)), ...folded(events.slice(at))];
      const live = new LiveLeases();
      const ended: string[] = [];
      for (const event of told) {
        live.keep(event);
        if (event.kind === 'past') ended.push(event.lease.id);
        if (event.kind === 'released') ended.push(event.id);
      }
      const idsIn = (state: string): string[] =>
        [...states].flatMap(([n, is]) => (is === state ? [`a-${n}`] : [])).sort();
      expect([live.ids().sort(), ended.sort()]).toEqual([idsIn('live'), idsIn('over')]);
    }),
  );
});
