// Messages between gateway workers: bounded in number, every event once and in order, in flight told within 50 ms, what has ended soon after.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  batchOf,
  eventsOf,
  everyMs,
  Pacer,
  paces,
  WorkJournal,
  type WorkBatch,
  type WorkEvent,
} from '../../src/gateway-worker-channel.js';
import { PastWriter, readPast, type PastRequest } from '../../src/gateway-worker-past.js';
import { LiveLeases } from '../../src/live-leases.js';
import type { PlacedLease } from '../../src/placement/placement-types.js';
import { ManualClock } from '../support/manual-clock.js';

function pastIn(batch: WorkBatch | null): PastRequest[] {
  const past: PastRequest[] = [];
  if (batch !== null) readPast(batch.past, (request) => past.push(request));
  return past;
}

test('after a pause workers tell at once, then at the same moments, and only while there is something to tell', () => {
  const clock = new ManualClock(1_000_003);
  const sent: number[] = [];
  let left = 0;
  const pacers = [0, 1].map(
    () =>
      new Pacer(clock, paces.toParent, () => {
        sent.push(clock.wallMs());
        return --left > 0;
      }),
  );
  left = 3;
  for (const pacer of pacers) pacer.wake();
  clock.advance(1);
  for (const pacer of pacers) pacer.wake();
  clock.advance(500);
  expect(sent.length).toBe(4);
  expect(sent[1]! - sent[0]!).toBeLessThanOrEqual(1);
  expect(new Set(sent.slice(2).map((ms) => ms % everyMs.toParent))).toEqual(new Set([0]));
  expect(clock.pending).toBe(0);
});

test('the parent passes on at once, and what follows within 8 ms together', () => {
  const clock = new ManualClock();
  const startMs = clock.monotonicMs();
  const sent: number[] = [];
  const pacer = new Pacer(clock, paces.toWorker, () => {
    sent.push(clock.monotonicMs() - startMs);
    return false;
  });
  for (let ms = 0; ms < 10; ms++) {
    pacer.wake();
    pacer.wake();
    clock.advance(1);
  }
  clock.advance(100);
  pacer.wake();
  expect(sent).toEqual([0, 8, 16, 110]);
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

const journalOf = (events: readonly WorkEvent[], atMs = 0): WorkJournal => {
  const journal = new WorkJournal();
  for (const event of events) journal.push(event, atMs);
  return journal;
};

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
  expect(eventsOf(batchOf([]))).toEqual([]);
});

test('requests that have ended are read as they were written, however many and long', () => {
  const aRequest = fc.record({
    endpointId: fc.constantFrom('a/0', 'b/0', 'b/1'),
    tokens: fc.nat(),
    uncachedTokens: fc.nat(),
    chain: fc.array(fc.nat({ max: Number.MAX_SAFE_INTEGER }), { maxLength: 300 }),
    streams: fc.boolean(),
    started: fc.boolean(),
    cachedTokens: fc.option(fc.nat(), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(fc.array(aRequest, { maxLength: 30 }), { maxLength: 3 }), (batches) => {
      const writer = new PastWriter();
      for (const requests of batches) {
        for (const { started, cachedTokens, ...request } of requests)
          writer.add({ ...request, id: 'x', requestId: 'y' }, started, cachedTokens);
        expect(writer.isEmpty).toBe(requests.length === 0);
        expect(pastIn({ past: writer.take(), events: '' })).toEqual(requests);
      }
    }),
  );
});

test('what began and ended before it was told is no event; what began or ended elsewhere stays as it is', () => {
  const batch = journalOf([
    placed('short'),
    placed('long'),
    firstToken('old'),
    firstToken('short'),
    placed('failed'),
    released('old'),
    firstToken('short', 256),
    released('short'),
    released('failed'),
  ]).take(1000);
  expect(eventsOf(batch!)).toEqual([firstToken('old'), released('old'), placed('long')]);
  const { endpointId, tokens, uncachedTokens, chain, streams } = lease;
  const past = { endpointId, tokens, uncachedTokens, chain, streams };
  expect(pastIn(batch)).toEqual([
    { ...past, started: true, cachedTokens: 256 },
    { ...past, started: false, cachedTokens: undefined },
  ]);
});

test('a request in flight is told within two messages, one that ended within 256 ms, both at once where one is due', () => {
  const journal = journalOf([placed('old')]);
  journal.push(placed('young'), 30);
  expect(eventsOf(journal.take(32)!)).toEqual([placed('old')]);
  expect(eventsOf(journal.take(64)!)).toEqual([placed('young')]);
  expect(journal.isEmpty).toBe(true);
  journal.push(placed('ends'), 70);
  journal.push(released('ends'), 71);
  expect(journal.isEmpty).toBe(false);
  expect(journal.take(96)).toBeNull();
  expect(journal.take(64 + 255)).toBeNull();
  expect(pastIn(journal.take(64 + 256)).length).toBe(1);
  journal.push(placed('ends'), 330);
  journal.push(released('ends'), 331);
  journal.push(released('young'), 332);
  const both = journal.take(352);
  expect([eventsOf(both!), pastIn(both).length]).toEqual([[released('young')], 1]);
});

test('whatever happens to leases, a journal says the same of those that live on, and of each that ended that it was', () => {
  const history = fc.array(
    fc.tuple(fc.nat({ max: 5 }), fc.constantFrom('placed', 'first-token', 'released', 'told'), fc.nat(20)),
  );
  fc.assert(
    fc.property(history, (steps) => {
      // A lease is placed once, and nothing is said of it before or after its life.
      const states = new Map<number, 'live' | 'over'>();
      const journal = new WorkJournal();
      const live = new LiveLeases();
      let ended = 0;
      let nowMs = 0;
      const tell = (): void => {
        const batch = journal.take(nowMs);
        if (batch === null) return;
        ended += pastIn(batch).length;
        for (const event of eventsOf(batch)) {
          live.keep(event);
          if (event.kind === 'released') ended += 1;
        }
      };
      for (const [n, kind, ms] of steps) {
        nowMs += ms;
        const id = `a-${n}`;
        const state = states.get(n);
        if (kind === 'told') tell();
        else if (kind === 'placed' && state === undefined) {
          states.set(n, 'live');
          journal.push(placed(id), nowMs);
        } else if (kind !== 'placed' && state === 'live') {
          if (kind === 'released') states.set(n, 'over');
          journal.push(kind === 'released' ? released(id) : firstToken(id), nowMs);
        }
      }
      nowMs += 1000;
      tell();
      expect(journal.isEmpty).toBe(true);
      const idsIn = (state: string): string[] =>
        [...states].flatMap(([n, is]) => (is === state ? [`a-${n}`] : [])).sort();
      expect([live.ids().sort(), ended]).toEqual([idsIn('live'), idsIn('over').length]);
    }),
  );
});
