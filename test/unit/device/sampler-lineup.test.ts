/** What becomes of a sampler that is stuck, silent or dead: with fake processes and a clock that moves only when told. */
import { beforeEach, expect, test } from 'vitest';
import { maxAbandoned, SamplerLineup } from '../../../src/device/sampler-lineup.js';
import type { CallUnderWay } from '../../../src/native/nvml.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { aRawSnapshot, FakeSamplerProcess } from '../../support/fake-sampler.js';
import { ManualClock } from '../../support/manual-clock.js';

let clock: ManualClock;
let lineup: SamplerLineup;
let spawned: FakeSamplerProcess[];
let counts: Record<string, number>;

beforeEach(() => {
  clock = new ManualClock();
  spawned = [];
  counts = {};
  lineup = new SamplerLineup({
    clock,
    logger: silentLogger(),
    callDeadlineMs: 3000,
    metrics: {
      count: (what) => (counts[what] = (counts[what] ?? 0) + 1),
      showStuckSamplers: (now) => (counts['stuckNow'] = now),
    },
    spawn(skip) {
      spawned.push(new FakeSamplerProcess(skip, clock.monotonicMs()));
      return spawned.at(-1)!;
    },
  });
});

const hung = (deviceIndex: number | null, forMs = 3000): CallUnderWay => ({
  deviceIndex,
  call: 'nvmlDeviceGetMemoryInfo_v2',
  forMs,
});

/** Time for a sampler to be started, and a look at them all. */
function look(ms = 1000): void {
  clock.advance(ms);
  lineup.review();
}

function end(process: FakeSamplerProcess): void {
  process.ended = true;
  lineup.handleExit(process, 'signal SIGKILL');
}

/** A device that hangs, up to the point where the successor has taken over. */
function hangOne(index = 1): void {
  look();
  spawned[0]!.hang(hung(index));
  look();
  spawned[1]!.hasSampled = true;
  look();
}

test('a call within its deadline changes nothing', () => {
  look();
  spawned[0]!.hang(hung(1, 2999));
  look();
  expect(spawned).toHaveLength(1);
  expect(lineup.stuck).toEqual([]);
});

test('the successor leaves the sick device out and takes over when it has read the others', () => {
  look();
  spawned[0]!.hang(hung(1));
  look();
  expect([...spawned[1]!.skip]).toEqual([1]);
  expect(lineup.current).toBe(spawned[0]);
  expect(lineup.stuck.map((s) => s.deviceIndex)).toEqual([1]);
  spawned[1]!.hasSampled = true;
  look();
  expect(lineup.current).toBe(spawned[1]);
  expect(spawned[0]!.killed).toBe(true);
  expect(lineup.stuck.map((s) => [s.deviceIndex, s.call])).toEqual([[1, 'nvmlDeviceGetMemoryInfo_v2']]);
  expect(counts).toMatchObject({ abandoned: 1, stuckNow: 1 });
});

test('the sick device is tried again once the abandoned sampler has ended, and comes back', () => {
  hangOne();
  look(60_000);
  expect(spawned).toHaveLength(2);
  end(spawned[0]!);
  look();
  expect([...spawned[2]!.skip]).toEqual([]);
  spawned[2]!.hasSampled = true;
  look();
  expect(lineup.current).toBe(spawned[2]);
  expect(spawned[1]!.commands).toEqual(['quit']);
  expect(lineup.stuck).toEqual([]);
});

test('a try that hangs too is noticed by nobody', () => {
  hangOne();
  end(spawned[0]!);
  look(60_000);
  spawned[2]!.hang(hung(1));
  look();
  expect(spawned[2]!.killed).toBe(true);
  expect(lineup.current).toBe(spawned[1]);
  expect(spawned[1]!.commands).toEqual([]);
  look(1000);
  expect(spawned).toHaveLength(3);
});

test('of two sick devices the one that answers again comes back alone', () => {
  look();
  spawned[0]!.hang(hung(0), hung(1));
  look();
  spawned[1]!.hasSampled = true;
  look();
  end(spawned[0]!);
  look(60_000);
  spawned[2]!.hang(hung(1));
  look();
  look();
  expect([...spawned[3]!.skip]).toEqual([1]);
  spawned[3]!.hasSampled = true;
  look();
  expect(lineup.current).toBe(spawned[3]);
  expect(lineup.stuck.map((s) => s.deviceIndex)).toEqual([1]);
});

test('a successor that hangs on another device gets one that leaves out both', () => {
  look();
  spawned[0]!.hang(hung(1));
  look();
  spawned[1]!.hang(hung(0));
  look();
  look();
  expect([...spawned[2]!.skip].sort()).toEqual([0, 1]);
  spawned[2]!.hasSampled = true;
  look();
  expect(lineup.stuck.map((s) => s.deviceIndex).sort()).toEqual([0, 1]);
});

test('opening the driver may take five deadlines before a successor tries', () => {
  look();
  spawned[0]!.hang(hung(null, 14_000));
  look();
  expect(lineup.stuck).toHaveLength(1);
  expect(spawned).toHaveLength(1);
  spawned[0]!.hang(hung(null, 15_000));
  look();
  expect(spawned).toHaveLength(2);
});

test('a successor that cannot open the driver does not replace one that has it open', () => {
  look();
  spawned[0]!.hang(hung(1));
  look();
  spawned[1]!.snapshot = aRawSnapshot({ driver: { state: 'init-failed', reason: 'NVML_ERROR_UNKNOWN' } });
  spawned[1]!.hasSampled = true;
  look();
  expect(lineup.current).toBe(spawned[0]);
  expect(spawned[1]!.commands).toEqual(['quit']);
});

test('samplers that cannot be ended are bounded, and one that ends makes room', () => {
  look();
  spawned[0]!.hang(hung(null, 20_000));
  for (let n = 0; n < 50; n++) {
    look(60_000);
    for (const process of spawned.slice(1)) process.hang(hung(null, 20_000));
  }
  expect(spawned).toHaveLength(1 + maxAbandoned);
  expect(lineup.full).toBe(true);
  expect(lineup.current).toBe(spawned[0]);
  end(spawned[1]!);
  look(60_000);
  expect(spawned).toHaveLength(2 + maxAbandoned);
});

test('a dead sampler is started again, less and less often', () => {
  look();
  const waits: number[] = [];
  for (let n = 0; n < 8; n++) {
    end(spawned.at(-1)!);
    const before = spawned.length;
    let waited = 0;
    while (spawned.length === before && waited < 60_000) {
      look(50);
      waited += 50;
    }
    waits.push(waited);
  }
  expect(counts).toMatchObject({ crashes: 8, restarts: 8 });
  expect(waits[0]).toBeLessThanOrEqual(300);
  expect(waits.at(-1)).toBeGreaterThan(20_000);
});

test('a sampler without a heartbeat is replaced', () => {
  look();
  spawned[0]!.snapshot = aRawSnapshot({ heartbeatAgeMs: 6000 });
  look();
  expect(spawned[0]!.killed).toBe(true);
  look();
  expect(lineup.current).toBe(spawned[1]);
});

test('one that never shows its snapshot is replaced', () => {
  look();
  spawned[0]!.snapshot = null;
  look(6000);
  look();
  expect(spawned).toHaveLength(2);
});

test('while held nothing is started, whatever happens', () => {
  look();
  lineup.hold();
  end(spawned[0]!);
  look(60_000);
  expect(spawned).toHaveLength(1);
  lineup.open();
  look();
  expect(spawned).toHaveLength(2);
});

test('after close the current sampler is the caller’s, the successor is dead', () => {
  look();
  spawned[0]!.hang(hung(1));
  look();
  expect(lineup.close()).toBe(spawned[0]);
  expect([spawned[0]!.killed, spawned[1]!.killed]).toEqual([false, true]);
  look(60_000);
  expect(spawned).toHaveLength(2);
});
