/** `WatchEvents` (`infernode events --follow`): a slow reader loses nothing and holds nobody up, an ended one leaves nothing behind, and streams are bounded. */
import { EventEmitter } from 'node:events';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { Registry } from 'prom-client';
import { beforeEach, expect, it } from 'vitest';
import { HealthHistory, maxHistoryEntries } from '../../../src/health/health-history.js';
import { createHealthCalls } from '../../../src/node/health-calls.js';
import { NodeMetrics } from '../../../src/node/node-metrics.js';
import type { HistoryEntry } from '../../../src/rpc/generated/infernode/node/v1/HistoryEntry.js';
import type { WatchEventsRequest__Output } from '../../../src/rpc/generated/infernode/node/v1/WatchEventsRequest.js';
import { ManualClock } from '../../support/manual-clock.js';

type Call = ServerWritableStream<WatchEventsRequest__Output, HistoryEntry>;

/** The server's side of a stream whose reader takes `room` messages before it asks to wait. */
class Reader extends EventEmitter {
  readonly seqs: number[] = [];
  readonly errors: { code?: number; details?: string }[] = [];
  ended = false;
  cancelled = false;
  readonly request: { afterSeq: string; follow: boolean };

  constructor(
    follow: boolean,
    public room = Number.POSITIVE_INFINITY,
    afterSeq = 0,
  ) {
    super();
    this.request = { afterSeq: String(afterSeq), follow };
    this.on('error', (error: object) => this.errors.push(error));
  }

  write({ seq }: HistoryEntry): boolean {
    this.seqs.push(Number(seq));
    return --this.room > 0;
  }

  end(): void {
    this.ended = true;
  }

  drain(room: number): void {
    this.room = room;
    this.emit('drain');
  }
}

let history: HealthHistory;
let watch: (reader: Reader) => Reader;
beforeEach(() => {
  history = new HealthHistory({ clock: new ManualClock(), onEntry: () => undefined });
  const unused = (): never => {
    throw new Error('not asked for in these tests');
  };
  const calls = createHealthCalls({
    publisher: {} as never,
    faults: {
      ...{ acknowledge: unused, incident: unused, explain: unused, unsupportedNodeChecks: unused },
      entriesAfter: (seq, limit) => history.after(seq, limit),
      onEntry: (listener) => history.onNews(listener),
    },
    driver: { releaseDriver: unused, acquireDriver: unused },
    metrics: new NodeMetrics(new Registry()),
    unary: () => unused,
    guard: unused,
    requireHolder: unused,
  });
  watch = (reader) => {
    calls.WatchEvents(reader as unknown as Call);
    return reader;
  };
});

const add = (count: number): void => {
  for (let i = 0; i < count; i++) history.add({ kind: 'action', source: 'agent', reason: 'x' });
};
const upTo = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

it('without follow it tells what there is and ends; with it what comes is told as it comes', () => {
  add(3);
  expect(watch(new Reader(false))).toMatchObject({ seqs: [1, 2, 3], ended: true });
  const following = watch(new Reader(true, Number.POSITIVE_INFINITY, 2));
  expect(following).toMatchObject({ seqs: [3], ended: false });
  add(2);
  expect(following.seqs).toEqual([3, 4, 5]);
});

it('a slow reader is written nothing until it asks for more, then goes on where it was, and others are not held up', () => {
  add(10);
  const slow = watch(new Reader(true, 4));
  const quick = watch(new Reader(true));
  expect(slow.seqs).toEqual(upTo(1, 4));
  add(990);
  expect(slow.seqs).toEqual(upTo(1, 4));
  expect(quick.seqs).toEqual(upTo(1, 1000));
  slow.drain(600);
  expect(slow.seqs).toEqual(upTo(1, 604));
  slow.drain(Number.POSITIVE_INFINITY);
  expect(slow.seqs).toEqual(upTo(1, 1000));
});

it('what has left the memory while a reader slept is gone; the rest comes in order', () => {
  add(2);
  const slow = watch(new Reader(true, 1));
  add(maxHistoryEntries + 10);
  slow.drain(Number.POSITIVE_INFINITY);
  expect(slow.seqs[0]).toBe(1);
  expect(slow.seqs.slice(1)).toEqual(upTo(13, maxHistoryEntries + 12));
});

it('a slow reader without follow ends once it has read all', () => {
  add(5);
  const slow = watch(new Reader(false, 2));
  expect(slow.ended).toBe(false);
  slow.drain(10);
  expect(slow).toMatchObject({ seqs: upTo(1, 5), ended: true });
});

it('a reader that went away is written nothing more and frees its place among the 64', () => {
  const readers = Array.from({ length: 64 }, () => watch(new Reader(true)));
  const refused = watch(new Reader(true));
  expect(refused.errors).toHaveLength(1);
  expect(refused.errors[0]?.details).toContain('at most 64');
  readers[0]?.emit('cancelled');
  add(1);
  expect(readers[0]?.seqs).toEqual([]);
  expect(readers[1]?.seqs).toEqual([1]);
  expect(watch(new Reader(true)).errors).toEqual([]);
});
