/**
 * What an agent makes of the reports of coordinators: leases end exactly once, whatever order reports, broken streams and
 * restarts of engines come in; others hear of everything; nothing is ever below zero.
 */
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { CoordinatorWork, WorkEvent, WorkLease, WorkReport } from '../../../src/domain/work.js';
import { NodeMetrics } from '../../../src/node/node-metrics.js';
import { ReportedWork, type WorkLimits, type WorkStream } from '../../../src/node/reported-work.js';
import { ManualClock } from '../../support/manual-clock.js';
import { anEngineStatus } from '../../support/node-fixtures.js';

const engineIds = ['a', 'b'];

function setUp(limits: Partial<WorkLimits> = {}) {
  const clock = new ManualClock();
  const metrics = new NodeMetrics(new Registry());
  const folds: CoordinatorWork[][] = [];
  const work = new ReportedWork({ clock, metrics, limits, onFold: (fold) => folds.push(fold) });
  const engines = (incarnations: string[]) =>
    work.setEngines(
      incarnations.map((incarnation, i) =>
        anEngineStatus(engineIds[i], { incarnation, maxConcurrentRequests: 2 }),
      ),
    );
  engines(['1', '1']);
  return { clock, metrics, folds, work, engines };
}

function aLease(id: string, change: Partial<WorkLease> = {}): WorkLease {
  return {
    id,
    requestId: '',
    engineId: 'a',
    incarnation: '1',
    tokens: 1000,
    uncachedTokens: 600,
    chain: new Uint8Array(16),
    started: false,
    unstreamed: false,
    ...change,
  };
}

const placed = (id: string, change: Partial<WorkLease> = {}): WorkEvent => ({
  kind: 'placed',
  lease: aLease(id, change),
  ageMs: 0,
});
const done = (id: string): WorkEvent => ({ kind: 'done', id, ageMs: 0 });
const opening = (coordinator: string, leases: WorkLease[] = [], sequence = 1): WorkReport => ({
  kind: 'opening',
  sequence,
  coordinator,
  chainVersion: 'v1',
  seedFingerprint: 's1',
  leases,
});
const delta = (sequence: number, ...events: WorkEvent[]): WorkReport => ({ kind: 'delta', sequence, events });

function speaker(work: ReportedWork, coordinator: string): WorkStream {
  const stream = work.open(() => undefined);
  stream.take(opening(coordinator));
  return stream;
}

describe('reports of work in flight', () => {
  it('counts, tells ages, and tells others within one fold', () => {
    const { work, clock, folds } = setUp();
    const stream = speaker(work, 'c1');
    expect(stream.take(delta(2, placed('x'), placed('y', { engineId: 'b' })))).toBe(2);
    clock.advance(5);
    stream.take(delta(3, { kind: 'first-token', id: 'x', cachedTokens: 400, ageMs: 2 }));
    expect(work.count('a')).toBe(1);
    expect(work.inFlight('a')).toEqual([
      {
        leaseId: 'c1/x',
        requestId: 'c1/x',
        engineId: 'a',
        tokens: 1000,
        ageMs: 5,
        started: true,
        confirmed: true,
      },
    ]);
    clock.advance(50);
    expect(folds).toHaveLength(1);
    const [fold] = folds[0]!;
    expect(fold).toMatchObject({ coordinator: 'c1', chainVersion: 'v1', seedFingerprint: 's1' });
    expect(fold!.events.map(({ kind, ageMs }) => [kind, ageMs])).toEqual([
      ['placed', 20],
      ['placed', 20],
      ['first-token', 17],
    ]);
  });

  it('a lost coordinator counts, unconfirmed, for the grace, then its leases end', () => {
    const { work, clock, folds } = setUp();
    const stream = speaker(work, 'c1');
    stream.take(delta(2, placed('x')));
    stream.end();
    stream.end();
    clock.advance(4_999);
    expect(work.inFlight('a')).toMatchObject([{ leaseId: 'c1/x', confirmed: false }]);
    clock.advance(51);
    expect(work.count('a')).toBe(0);
    expect(folds.flat().flatMap(({ events }) => events.map(({ kind }) => kind))).toEqual(['placed', 'done']);
    expect(work.all()).toEqual([]);
  });

  it('a coordinator that comes back within the grace says what still runs; the rest has ended', () => {
    const { work, clock } = setUp();
    speakerWith(work, 'c1', placed('x'), placed('y')).end();
    clock.advance(3_000);
    const stream = work.open(() => undefined);
    stream.take(opening('c1', [aLease('y'), aLease('z')], 40));
    clock.advance(10_000);
    expect(work.inFlight('a').map(({ leaseId, confirmed }) => [leaseId, confirmed])).toEqual([
      ['c1/y', true],
      ['c1/z', true],
    ]);
    expect(stream.take(delta(41, done('y')))).toBe(41);
  });

  it('a newer stream of the same coordinator takes over, and the end of the old one ends nothing', () => {
    const { work, clock } = setUp();
    let superseded = 0;
    const old = work.open(() => (superseded += 1));
    old.take(opening('c1', [aLease('x')]));
    const fresh = work.open(() => undefined);
    fresh.take(opening('c1', [aLease('x')]));
    old.end();
    clock.advance(10_000);
    expect(superseded).toBe(1);
    expect(work.count('a')).toBe(1);
  });

  it('refuses a gap, a delta before the opening, and a nameless coordinator', () => {
    const { work } = setUp();
    const stream = work.open(() => undefined);
    expect(() => stream.take(delta(1))).toThrow(expect.objectContaining({ code: 'argument-invalid' }));
    expect(() => stream.take(opening(''))).toThrow(expect.objectContaining({ code: 'argument-invalid' }));
    stream.take(opening('c1'));
    expect(() => stream.take(delta(3, placed('x')))).toThrow(expect.objectContaining({ code: 'report-gap' }));
    expect(work.count('a')).toBe(0);
  });

  it('an engine that restarts, or goes, ends its leases; reports for a former one are not taken', async () => {
    const { work, engines, metrics } = setUp();
    const stream = speakerWith(work, 'c1', placed('x'), placed('y', { engineId: 'b' }));
    engines(['2', '1']);
    expect([work.count('a'), work.count('b')]).toEqual([0, 1]);
    stream.take(delta(3, placed('late'), done('x')));
    expect([work.count('a'), work.count('b')]).toEqual([0, 1]);
    engines(['2']);
    expect(work.inFlight('b')).toEqual([]);
    expect((await metrics.droppedLeases.get()).values).toMatchObject([
      { labels: { reason: 'engine-gone' }, value: 1 },
    ]);
  });

  it('is bounded: coordinators, leases and chains; overshoot of the cap is counted', async () => {
    const { work, metrics } = setUp({ maxCoordinators: 2, maxLeases: 3, maxChainBytes: 20 });
    speakerWith(work, 'c1', placed('1'), placed('2'));
    speakerWith(work, 'c2', placed('3'), placed('4'), placed('4'));
    expect(() => speaker(work, 'c3')).toThrow(expect.objectContaining({ code: 'queue-full' }));
    expect(work.count('a')).toBe(3);
    const chains = work
      .all()
      .flatMap(({ events }) => events.map((e) => (e.kind === 'placed' ? e.lease.chain.length : 0)));
    expect(chains).toEqual([16, 0, 0]);
    expect((await metrics.capOvershoots.get()).values[0]?.value).toBe(1);
    expect(
      (await metrics.droppedLeases.get()).values.map(({ labels, value }) => [labels.reason, value]),
    ).toEqual([['too-many', 2]]);
  });
});

function speakerWith(work: ReportedWork, coordinator: string, ...events: WorkEvent[]): WorkStream {
  const stream = speaker(work, coordinator);
  stream.take(delta(2, ...events));
  return stream;
}

const coordinators = ['c1', 'c2', 'c3'];
const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('place' as const),
      who: fc.nat(2),
      id: fc.nat(9),
      engine: fc.nat(1),
      incarnation: fc.nat(2),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('done' as const), who: fc.nat(2), id: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('token' as const), who: fc.nat(2), id: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('break' as const), who: fc.nat(2) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('open' as const),
      who: fc.nat(2),
      ids: fc.uniqueArray(fc.nat(9)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('restart' as const),
      incarnations: fc.tuple(fc.nat(2), fc.nat(2)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 30, 6_000) }),
  },
);

it('whoever applies every fold holds exactly the leases that the agent holds; counts are never below zero', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const { work, engines, clock, folds } = setUp();
      const streams = new Map<string, { stream: WorkStream; next: number }>();
      const open = (who: string, leases: WorkLease[] = []): void => {
        const stream = work.open(() => undefined);
        stream.take(opening(who, leases, 7));
        streams.set(who, { stream, next: 8 });
      };
      const say = (who: string, event: WorkEvent): void => {
        if (!streams.has(who)) open(who);
        const speaking = streams.get(who)!;
        speaking.stream.take(delta(speaking.next, event));
        speaking.next += 1;
      };
      for (const step of actions) {
        const who = 'who' in step ? coordinators[step.who]! : '';
        if (step.do === 'place')
          say(
            who,
            placed(String(step.id), {
              engineId: engineIds[step.engine]!,
              incarnation: String(step.incarnation),
            }),
          );
        else if (step.do === 'done') say(who, done(String(step.id)));
        else if (step.do === 'token')
          say(who, { kind: 'first-token', id: String(step.id), cachedTokens: null, ageMs: 0 });
        else if (step.do === 'break') {
          streams.get(who)?.stream.end();
          streams.delete(who);
        } else if (step.do === 'open')
          open(
            who,
            step.ids.map((id) => aLease(String(id))),
          );
        else if (step.do === 'restart') engines(step.incarnations.map(String));
        else clock.advance(step.ms);
        for (const id of engineIds) {
          expect(work.count(id)).toBeGreaterThanOrEqual(0);
          expect(work.count(id)).toBe(work.inFlight(id).length);
        }
      }
      clock.advance(50);
      const held = new Set<string>();
      for (const { coordinator, events } of folds.flat())
        for (const event of events) {
          const key = `${coordinator}/${event.kind === 'placed' ? event.lease.id : event.id}`;
          if (event.kind === 'placed') {
            expect(held.has(key)).toBe(false);
            held.add(key);
          } else expect(held.has(key)).toBe(true);
          if (event.kind === 'done') held.delete(key);
        }
      expect([...held].sort()).toEqual(
        engineIds.flatMap((id) => work.inFlight(id).map((lease) => lease.leaseId)).sort(),
      );
      for (const { stream } of streams.values()) stream.end();
      clock.advance(10_000);
      expect(engineIds.map((id) => work.count(id))).toEqual([0, 0]);
    }),
  );
});
