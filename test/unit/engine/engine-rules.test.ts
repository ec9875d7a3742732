// The pure rules: who gets which device, what a sick device means, how long a restart waits, how a drain ends.
import { describe, expect, it } from 'vitest';
import type { EngineLoad } from '../../../src/domain/engine.js';
import type { Fault } from '../../../src/domain/health.js';
import { chooseDevices, type DeviceRequest } from '../../../src/engine/choose-devices.js';
import { drainEngine } from '../../../src/engine/drain-engine.js';
import { enginesOfFault } from '../../../src/engine/engines-of-fault.js';
import { holdOf, whyNoStart } from '../../../src/engine/hold-engine.js';
import { RestartBackoff } from '../../../src/engine/restart-backoff.js';
import { ManualClock } from '../../support/manual-clock.js';
import { aDeviceStatus } from '../../support/node-fixtures.js';

describe('chooseDevices', () => {
  const request: DeviceRequest = {
    refs: [],
    gpus: 2,
    resolve: (ref) => (ref === '9' ? null : `GPU-${ref}`),
    free: () => ['GPU-0', 'GPU-1', 'GPU-2'],
    ownerOf: (uuid) => (uuid === 'GPU-0' ? 'other' : null),
    statusOf: () => undefined,
  };

  it('takes free ones that nobody else has', () => {
    expect(chooseDevices(request)).toEqual({ uuids: ['GPU-1', 'GPU-2'] });
    expect(chooseDevices({ ...request, gpus: 0 })).toEqual({ uuids: [] });
    expect(chooseDevices({ ...request, gpus: 3 })).toMatchObject({ code: 'device-in-use' });
  });

  it('takes named ones in their order, or says which one is the trouble', () => {
    expect(chooseDevices({ ...request, refs: ['2', '1'] })).toEqual({ uuids: ['GPU-2', 'GPU-1'] });
    expect(chooseDevices({ ...request, refs: ['1', '0'] })).toMatchObject({ code: 'device-in-use' });
    expect(chooseDevices({ ...request, refs: ['9'] })).toMatchObject({ code: 'device-unknown' });
    const sick = aDeviceStatus(1, { health: 'unhealthy', reason: 'Xid 79' });
    expect(chooseDevices({ ...request, refs: ['1'], statusOf: () => sick })).toMatchObject({
      code: 'engine-wrong-state',
    });
  });
});

describe('holdOf', () => {
  const fatal = aDeviceStatus(0, { health: 'unhealthy', severity: 'fatal', reason: 'Xid 79' });
  const critical = aDeviceStatus(1, { health: 'unhealthy', severity: 'critical', reason: 'Xid 48' });
  const healthy = aDeviceStatus(0);

  it('evicts for the worst, drains for the rest, and one sick device of several is enough', () => {
    expect(holdOf([healthy, critical], null)).toMatchObject({ kind: 'drain' });
    expect(holdOf([critical, fatal], null)).toMatchObject({ kind: 'evict' });
    expect(holdOf([fatal], { kind: 'drain', reason: 'x' })).toMatchObject({ kind: 'evict' });
  });

  it('keeps its first reason, and never becomes milder', () => {
    const held = { kind: 'evict', reason: 'first' } as const;
    expect(holdOf([critical], held)).toBe(held);
    expect(holdOf([fatal], held)).toBe(held);
  });

  it('goes when all devices are healthy and health has no cordon, not before and not for want of news', () => {
    const held = { kind: 'drain', reason: 'x' } as const;
    const cordon = { holder: 'health:xid', reason: '', sinceMs: 0 };
    expect(holdOf([aDeviceStatus(0, { health: 'unknown' })], held)).toBe(held);
    expect(holdOf([aDeviceStatus(0, { health: 'degraded' })], held)).toBe(held);
    expect(holdOf([aDeviceStatus(0, { cordons: [cordon] })], held)).toBe(held);
    expect(holdOf([], held)).toBe(held);
    expect(holdOf([aDeviceStatus(0, { cordons: [{ ...cordon, holder: 'operator:ann' }] })], held)).toBeNull();
    expect(holdOf([healthy], held)).toBeNull();
  });

  it('a degraded or unknown device starts no hold, an operator’s cordon no start', () => {
    expect(holdOf([aDeviceStatus(0, { health: 'degraded' })], null)).toBeNull();
    expect(holdOf([aDeviceStatus(0, { health: 'unknown' })], null)).toBeNull();
    expect(whyNoStart(aDeviceStatus(0, { health: 'unknown' }))).toBeNull();
    const cordons = [{ holder: 'operator:ann', reason: '', sinceMs: 0 }];
    expect(whyNoStart(aDeviceStatus(0, { cordons }))).toBe('device 0 is cordoned by operator:ann');
  });
});

describe('RestartBackoff', () => {
  const clock = new ManualClock();
  const options = { baseMs: 1000, capMs: 60_000, stableMs: 60_000, random: () => 0.5 };

  it('one death of a serving engine costs no wait, repeated ones double up to the cap', () => {
    const backoff = new RestartBackoff(options, clock);
    expect([5, 5, 5, 5].map((readyForMs) => backoff.next(readyForMs))).toEqual([0, 1000, 2000, 4000]);
    for (let more = 0; more < 20; more++) backoff.next(5);
    expect(backoff.next(5)).toBe(60_000);
  });

  it('a start that fails waits from the first time on', () => {
    const backoff = new RestartBackoff(options, clock);
    expect([null, null, null].map((never) => backoff.next(never))).toEqual([1000, 2000, 4000]);
  });

  it('calls back once when the wait is over, and not at all when reset', () => {
    const backoff = new RestartBackoff(options, clock);
    let calls = 0;
    expect(backoff.schedule(null, () => (calls += 1))).toBe(1000);
    expect(backoff.waiting).toBe(true);
    clock.advance(1000);
    expect([calls, backoff.waiting]).toEqual([1, false]);
    backoff.schedule(null, () => (calls += 1));
    backoff.reset();
    clock.advance(60_000);
    expect([calls, backoff.waiting]).toEqual([1, false]);
  });

  it('time spent ready wipes the slate', () => {
    const backoff = new RestartBackoff(options, clock);
    backoff.next(null);
    backoff.next(null);
    expect(backoff.next(60_000)).toBe(0);
  });
});

describe('drainEngine', () => {
  const load = (running: number): EngineLoad => ({
    running,
    waiting: 0,
    kvCacheUsageRatio: null,
    kvCacheBlocks: null,
    kvBlockTokens: null,
  });

  /** Lets promises settle between steps of the clock. */
  async function turn(clock: ManualClock, ms: number): Promise<void> {
    clock.advance(ms);
    for (let i = 0; i < 10; i++) await Promise.resolve();
  }

  async function drain(loads: (EngineLoad | null)[], deadlineMs: number, abortAfter = Infinity) {
    const clock = new ManualClock();
    const progress: (number | null)[] = [];
    const aborter = new AbortController();
    let outcome: string | null = null;
    let looks = 0;
    void drainEngine({
      readLoad: async () => loads[Math.min(looks++, loads.length - 1)] ?? null,
      deadlineMs,
      onProgress: (left) => progress.push(left),
      clock,
      signal: aborter.signal,
      pollMs: 100,
    }).then((result) => (outcome = result));
    for (let step = 0; step < 100 && outcome === null; step++) {
      if (step === abortAfter) aborter.abort();
      await turn(clock, 100);
    }
    return { outcome, looks, progress };
  }

  it('ends after two idle looks in a row: a request may have been on its way', async () => {
    const { outcome, looks, progress } = await drain([load(2), load(0), load(1), load(0), load(0)], 60_000);
    expect(outcome).toBe('idle');
    expect(looks).toBe(5);
    expect(progress).toEqual([2, 0, 1, 0]);
  });

  it('ends at the deadline, also when the engine does not tell', async () => {
    expect((await drain([load(1)], 500)).outcome).toBe('deadline');
    expect((await drain([null], 500)).outcome).toBe('deadline');
  });

  it('ends when something worse has happened', async () => {
    expect((await drain([load(1)], 60_000, 3)).outcome).toBe('aborted');
  });
});

describe('engines of a fault', () => {
  const engine = (id: string, pid: number) =>
    ({ id, run: { deviceUuids: ['GPU-a'], pids: new Set([pid]), startedAtMs: 0 } }) as never;
  const engines = [engine('a', 11), engine('b', 12)];
  const fault = (change: Partial<Fault>): Fault => ({
    check: 'xid',
    deviceUuid: 'GPU-a',
    xid: 94,
    severity: 'critical',
    action: 'restart-engine',
    ...{ advice: null, reason: '', evidence: '', pid: null, observedAtMs: 1 },
    drain: 'restart-engine',
    ...change,
  });

  it.each<[string, Partial<Fault>, unknown[] | 'stranger']>([
    ['the one that it names by pid', { pid: 12 }, [engines[1]]],
    ['nobody here where the pid is a stranger', { pid: 99 }, 'stranger'],
    ['those in its MIG instance', { holders: [11] }, [engines[0]]],
    ['none where only strangers are in that instance', { holders: [99] }, []],
    ['all on the device where nobody is named', {}, engines],
    ['none where the fault asks for no restart', { drain: 'none' }, []],
  ])('are %s', (_name, change, expected) => {
    expect(enginesOfFault(fault(change), engines, true)).toEqual(expected);
  });
});
