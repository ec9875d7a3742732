// What is remembered of the bad ends of an engine: one sentence that joins log, exit and what the driver said in the same
// seconds; the work that was lost; a wait that grows with new causes only; a crash loop that says so. Real processes.
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import type { Fault } from '../../../src/domain/health.js';
import { DeathJournal } from '../../../src/engine/death-journal.js';
import { PoisonBook } from '../../../src/engine/poison-book.js';
import { RecentFaults } from '../../../src/engine/recent-faults.js';
import { RestartBackoff } from '../../../src/engine/restart-backoff.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { Journal } from '../../../src/runtime/journal.js';
import { eventually } from '../../support/running-up.js';
import { aFleet, type FleetCase } from '../../support/engine-fleet.js';
import { ManualClock } from '../../support/manual-clock.js';
import { deviceUuid } from '../../support/node-fixtures.js';

let current: FleetCase | null = null;
afterEach(async () => {
  await current?.clear();
  current = null;
});

function aFault(overrides: Partial<Fault>): Fault {
  return {
    check: 'xid',
    deviceUuid: deviceUuid(0),
    xid: 31,
    severity: 'critical',
    action: 'restart-engine',
    advice: null,
    drain: 'none',
    reason: 'Xid 31: GPU memory page fault',
    evidence: '',
    pid: null,
    observedAtMs: systemClock.monotonicMs(),
    ...overrides,
  };
}

describe('a death', () => {
  it('is one sentence of exit, traceback and Xid, with what was in flight, in the journal', async () => {
    const work = [{ leaseId: 'c/1.1', requestId: 'c/1' }];
    current = aFleet({ exit: { afterMs: 300, code: 1 } }, { inputs: { workOn: () => work } });
    await current.fleet.start();
    await eventually('a first look', () => current?.status().pid);
    current.fleet.applyFault(aFault({}));
    const death = await eventually('the death is told', () => current?.status().lastDeath);
    expect(death).toMatchObject({
      incarnation: '1',
      cause: 'config',
      lostWork: ['c/1.1'],
      suspectedPoison: [],
    });
    expect(death.reason).toBe(
      'exited with code 1: ValueError: the fake was told to end; in the same seconds: Xid 31: GPU memory page fault',
    );
    const second = await eventually('a second death', () => {
      const last = current?.status().lastDeath;
      return last?.incarnation === '2' ? last : null;
    });
    expect(second.suspectedPoison).toEqual(['c/1']);
    const journal = new DeathJournal(join(current.directory, 'engines', 'chat-0'));
    // An entry is written after the news of it.
    const entries = await eventually('both are written', async () => {
      const written = await journal.latest(10);
      return written.length >= 2 ? written : null;
    });
    expect(entries.map(({ incarnation }) => incarnation).slice(-2)).toEqual(['2', '1']);
    expect(entries.at(-1)?.stop?.steps.map(({ step }) => step)).toEqual([
      'tree-empty',
      'memory-free',
      'shared-memory',
      'port-free',
    ]);
  });

  it('of a hopeless kind again and again is a crash loop that is tried seldom', async () => {
    current = aFleet({ exit: { afterMs: 0, code: 1 }, readyAfterMs: 5000 });
    await current.fleet.start();
    const looping = await current.until('failed', (s) => s.crashLoop === true);
    expect(looping.reason).toMatch(/crash loop after 3 failures in a row; next start in 300.0 s$/);
    expect(looping.incarnation).toBe('3');
    await current.fleet.startEngine({ engineId: 'chat-0' });
    await eventually('an operator starts it all the same', () => current?.status().incarnation === '4');
  });

  it('of a server that is gone before its process is explained by its log', async () => {
    current = aFleet();
    await current.fleet.start();
    const { url } = await current.until('ready');
    appendFileSync(
      join(current.runDir(1), 'engine.log'),
      'ERROR 08-06 12:00:00 [core.py:1] torch.OutOfMemoryError: CUDA out of memory\n',
    );
    await request(`${url}/set?health=503`);
    const death = await eventually('the death is told', () => current?.status().lastDeath);
    expect(death).toMatchObject({ cause: 'out-of-memory' });
    expect(death.reason).toMatch(/\/health says that its engine is dead: torch.OutOfMemoryError/);
  });
});

describe('faults of the same seconds', () => {
  const place = { deviceUuids: ['GPU-a'], pids: new Set([7]), atMs: 100_000 };
  const faults = new RecentFaults();
  faults.note(aFault({ deviceUuid: 'GPU-a', observedAtMs: 90_000, severity: 'fatal', reason: 'too old' }));
  faults.note(aFault({ deviceUuid: 'GPU-b', observedAtMs: 100_000, severity: 'fatal', reason: 'elsewhere' }));
  faults.note(
    aFault({ deviceUuid: 'GPU-a', observedAtMs: 101_000, severity: 'critical', reason: 'late but near' }),
  );

  it('are those on its devices, before and shortly after', () => {
    expect(faults.nearest(place)?.reason).toBe('late but near');
    expect(faults.nearest({ ...place, atMs: 200_000 })).toBeNull();
  });

  it('one that names a process of it goes first', () => {
    faults.note(
      aFault({ check: 'oom_kill', deviceUuid: null, pid: 7, observedAtMs: 99_000, reason: 'OOM killer' }),
    );
    expect(faults.nearest(place)?.reason).toBe('OOM killer');
  });
});

describe('the wait for the next start', () => {
  const backoff = (): RestartBackoff =>
    new RestartBackoff(
      { baseMs: 1000, capMs: 60_000, stableMs: 60_000, random: () => 0.5 },
      new ManualClock(),
    );

  it('does not grow with the echo of a cause that has been counted', () => {
    const book = backoff();
    for (const isNew of [true, false, false, false]) book.count(100, isNew);
    expect(book.failures).toBe(1);
    expect(book.schedule(100, () => undefined)).toBe(0);
  });

  it('grows with new ones', () => {
    const book = backoff();
    for (let i = 0; i < 4; i++) book.count(100, true);
    expect(book.schedule(100, () => undefined)).toBeGreaterThan(2000);
  });
});

describe('suspected poison', () => {
  it('is what was in flight at two deaths; a duplicate within one death counts once', () => {
    const book = new PoisonBook();
    expect(book.noteDeath(['a', 'a', 'b'])).toEqual([]);
    expect(book.noteDeath(['b', 'c'])).toEqual(['b']);
    for (let i = 0; i < 5000; i++) book.noteDeath([`x${i}`]);
    expect(book.noteDeath(['a'])).toEqual([]);
  });
});

describe('a journal', () => {
  const isEntry = (value: unknown): value is { n: number } =>
    typeof (value as { n?: unknown } | null)?.n === 'number';

  it('is bounded, newest first, and reads over what is broken', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'infernode-journal-'));
    try {
      const path = join(directory, 'deep', 'j.jsonl');
      const journal = new Journal<{ n: number }>({ path, maxBytes: 200 });
      for (let n = 0; n < 100; n++) journal.append({ n });
      expect((await journal.read(3, isEntry)).map(({ n }) => n)).toEqual([99, 98, 97]);
      appendFileSync(path, '{"n":5');
      expect((await journal.read(1, isEntry)).map(({ n }) => n)).toEqual([99]);
      expect(readFileSync(path).length + readFileSync(`${path}.1`).length).toBeLessThan(420);
      expect(journal.dropped).toBe(0);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('that cannot be written counts what it loses', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'infernode-journal-'));
    try {
      writeFileSync(join(directory, 'file'), '');
      const journal = new Journal<{ n: number }>({
        path: join(directory, 'file', 'j'),
        maxBytes: 200,
      });
      journal.append({ n: 1 });
      await journal.flush();
      expect(journal.dropped).toBe(1);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
