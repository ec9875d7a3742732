// Messages between gateway workers: soon after a pause, bounded in number under load, every event once and in order.
import { expect, test } from 'vitest';
import { batchOf, eventsOf, WorkGatherer, type WorkEvent } from '../../src/gateway-worker-channel.js';
import { ManualClock } from '../support/manual-clock.js';

test('an event after a pause travels within 1 ms; under load a message is sent every 25 ms', () => {
  const clock = new ManualClock();
  const sent: { atMs: number; events: WorkEvent[] }[] = [];
  const startMs = clock.monotonicMs();
  const gatherer = new WorkGatherer<WorkEvent>(clock, (events) =>
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

test('a batch is read as it was written', () => {
  const lease = {
    id: 'a-1',
    requestId: 'r',
    endpointId: 'node/chat-0',
    tokens: 900,
    uncachedTokens: 388,
    chain: [2 ** 53 - 1, 0],
    streams: true,
  };
  const events: WorkEvent[] = [
    { kind: 'placed', lease },
    { kind: 'first-token', id: 'a-1', cachedTokens: 512 },
    { kind: 'first-token', id: 'a-1', cachedTokens: undefined },
    { kind: 'released', id: 'a-1' },
    { kind: 'rate', scopes: [{ key: 'k', perMinute: { requests: 6 } }], tokens: -3, settles: true },
  ] as WorkEvent[];
  expect(eventsOf(batchOf(events))).toEqual(events);
});
