// Messages between gateway workers: soon after a pause, bounded in number under load, every event once and in order.
import { expect, test } from 'vitest';
import { WorkGatherer, type WorkEvent } from '../../src/gateway-worker-channel.js';
import { ManualClock } from '../support/manual-clock.js';

test('an event after a pause travels within 1 ms; under load a message is sent every 10 ms', () => {
  const clock = new ManualClock();
  const sent: { atMs: number; events: WorkEvent[] }[] = [];
  const startMs = clock.monotonicMs();
  const gatherer = new WorkGatherer(clock, (events) =>
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
  clock.advance(10);
  expect(sent.flatMap(({ events }) => events)).toEqual(Array.from({ length: 1001 }, (_, n) => ended(n)));
  // 100 ms of load.
  expect(sent.length).toBeLessThanOrEqual(12);
  clock.advance(50);
  const before = sent.length;
  gatherer.push(ended(1001));
  clock.advance(1);
  expect(sent.length).toBe(before + 1);
});
