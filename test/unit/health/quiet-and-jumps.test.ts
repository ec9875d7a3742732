/** What must not be a fault: ten minutes of healthy work, a wall clock that jumps, a hang before its deadline; and levels that an operator changed. */
import { expect, it } from 'vitest';
import { nothingRead } from '../../../src/domain/device-details.js';
import type { CheckSettings } from '../../../src/health/condition-book.js';
import { noWorkload } from '../../../src/domain/workload.js';
import { deviceUuid } from '../../support/node-fixtures.js';
import { goodReading, HealthBench } from './health-bench.js';

/** Deterministic noise in [-1, 1]. */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

it('ten minutes of healthy work, second by second, give no condition, no fault and no entry of history', () => {
  const bench = new HealthBench();
  const next = noise(7);
  for (let second = 0; second < 600; second++) {
    const busy = 0.9 + 0.1 * next();
    const used = 60e9 + 5e9 * next();
    bench.sample({
      devices: [0, 1, 2, 3].map((index) =>
        bench.device(index, {
          reading: {
            ...goodReading,
            temperatureCelsius: 65 + 8 * next(),
            powerWatts: 560 + 90 * next(),
            powerLimitWatts: 700,
            smClockMhz: 1755 + 30 * next(),
            gpuUtilizationRatio: Math.min(1, busy),
            memoryUsedBytes: used,
            memoryFreeBytes: 80e9 - used,
            // A corrected error now and then is what ECC is for.
            eccCorrectedVolatile: Math.floor(second / 200),
            throttleReasons: second % 30 === 0 ? 0x4 : 0,
          },
        }),
      ),
    });
  }
  expect(bench.tracker.devices.flatMap(({ conditions }) => conditions)).toEqual([]);
  expect(bench.tracker.nodeConditions).toEqual([]);
  expect(bench.faults).toEqual([]);
  expect(bench.entries.filter(({ kind }) => kind !== 'health')).toEqual([]);
});

it('a wall clock that jumps back and forth by a day makes no fault, clears nothing and keeps quiet times', () => {
  const bench = new HealthBench();
  let jumpMs = 0;
  const wallMs = bench.clock.wallMs.bind(bench.clock);
  bench.clock.wallMs = () => wallMs() + jumpMs;
  bench.sample();
  bench.xid(79);
  bench.xid(13);
  for (const day of [1, -1, 0]) {
    jumpMs = day * 86_400_000;
    bench.sample();
    bench.tracker.tick();
    expect(bench.status.conditions.map(({ reason }) => reason)).toHaveLength(2);
    expect(bench.status.health).toBe('unhealthy');
  }
  // Quiet for ten minutes by the clock that does not jump: what only hurt a program goes, the lost GPU stays.
  jumpMs = -86_400_000;
  for (let minute = 0; minute < 11; minute++) {
    bench.clock.advance(60_000);
    bench.tracker.tick();
  }
  bench.sample();
  expect(bench.status.conditions.map(({ reason }) => reason)).toEqual(['Xid 79: GPU has fallen off the bus']);
});

it('a call that hangs is told by its name, not as a stale sample before', () => {
  const bench = new HealthBench({ callDeadlineMs: 3000 });
  bench.sample();
  for (let second = 1; second <= 3; second++)
    bench.sample({ devices: [bench.device(0, { ageMs: second * 1000 })] });
  expect(bench.status.health).toBe('healthy');
  const call = 'nvmlDeviceGetMemoryInfo_v2';
  const stuck = [{ deviceIndex: 0, deviceUuid: deviceUuid(0), call, forMs: 3100 }];
  bench.sample({ devices: [bench.device(0, { ageMs: 4000 })], stuck });
  expect(bench.status.health).toBe('unknown');
  expect(bench.status.reason).toContain(call);
  expect(bench.entries.filter(({ check }) => check === 'stale_sample')).toEqual([]);
});

it('samples that stop without a hang are stale once the deadline of a call has passed', () => {
  const bench = new HealthBench({ callDeadlineMs: 3000 });
  bench.sample();
  bench.clock.advance(3500);
  bench.tracker.tick();
  bench.expectClear('stale_sample');
  bench.clock.advance(1000);
  bench.tracker.tick();
  bench.expectFiring('stale_sample', { severity: 'warning' });
});

it('a device that is gone is missed by its slot and serial number', () => {
  const bench = new HealthBench();
  bench.sample();
  const { pciBusId, serial } = bench.status.identity;
  bench.absent();
  expect(serial).not.toBeNull();
  expect(bench.condition('gpu_missing')?.reason).toContain(`PCI ${pciBusId}, serial ${serial}`);
});

it('on a node for rehearsals what readings find is a drill too: condition, fault and history', () => {
  const bench = new HealthBench({ drill: true });
  bench.sample();
  bench.reading({ rowRemapFailure: 1 });
  bench.expectFiring('row_remap_failure', { drill: true });
  expect(bench.faults.map(({ check, drill }) => [check, drill])).toContainEqual(['row_remap_failure', true]);
  expect(bench.entries.find(({ check }) => check === 'row_remap_failure')?.drill).toBe(true);
});

it.each(['unrepairableMemory', 'sramThresholdExceeded'] as const)(
  'a memory fault of a part with %s wants a new part: its repairs are used up',
  (flag) => {
    const bench = new HealthBench();
    const details = { ...nothingRead.details, [flag]: 1 };
    bench.sample({ devices: [bench.device(0, { details })] });
    bench.xid(63);
    const fault = bench.faults.find(({ xid }) => xid === 63);
    expect(fault).toMatchObject({ action: 'replace-hardware' });
  },
);

it('a process that the driver listed after the last look at engines is no stranger yet', () => {
  const bench = new HealthBench();
  const processes = [{ pid: 4711, memoryBytes: 1e9 }];
  const workload = { ...noWorkload, seesHostPids: true };
  const { uuid } = bench.device(0).identity;
  const pods = new Map([[uuid, ['models/chat-0 (vllm)']]]);
  const look = (lookedUp: ReadonlySet<number>): void => {
    bench.tracker.handleWorkload({ ...workload, lookedUp, pods });
    for (let second = 0; second < 60; second++) bench.sample({ devices: [bench.device(0, { processes })] });
  };
  look(new Set());
  bench.expectClear('foreign_process');
  look(new Set([4711]));
  expect(bench.condition('foreign_process')?.reason).toBe(
    'processes of nobody here hold the device: 4711 (unknown command); Kubernetes gave it to models/chat-0 (vllm)',
  );
});

it.each<[string, number, (bench: HealthBench) => void]>([
  ['temp_gpu', 70, (bench) => bench.reading({ temperatureCelsius: 75 })],
  [
    'nvml_call_hang',
    4,
    (bench) =>
      bench.sample({
        stuck: [{ deviceIndex: 0, deviceUuid: deviceUuid(0), call: 'nvmlDeviceGetName', forMs: 5000 }],
      }),
  ],
])(
  "%s fires at the level that the operator set, not at the data's, and not where it is off",
  (check, threshold, cause) => {
    const firesWith = (settings: CheckSettings): boolean => {
      const bench = new HealthBench({ settings });
      bench.sample();
      for (let second = 0; second < 120; second++) cause(bench);
      return bench.condition(check) !== undefined;
    };
    expect(firesWith({ [check]: { threshold, enabled: true } })).toBe(true);
    expect(firesWith({})).toBe(false);
    expect(firesWith({ [check]: { threshold, enabled: false } })).toBe(false);
  },
);
