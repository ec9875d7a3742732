/**
 * Every limit that an operator may move moves the point at which its check fires: for each check of the table the same cause fires with one
 * threshold and stays silent with another. Enumerated, so that a check without a case fails.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { agentSchema } from '../../../src/config/agent-config.js';
import { explainIssues } from '../../../src/config/explain-issues.js';
import { checksWithoutThreshold, checkThresholds } from '../../../src/domain/check-thresholds.js';
import { emptyDetails, emptyLink, type LinkReading } from '../../../src/domain/device-details.js';
import type { DeviceDetails } from '../../../src/domain/device-details.js';
import type { DeviceReading, DeviceSample } from '../../../src/domain/device.js';
import { noHostReadings, type HostReadings, type RdmaPort } from '../../../src/domain/host-readings.js';
import { noWorkload } from '../../../src/domain/workload.js';
import { checkRows } from '../../../src/health/health-data.js';
import { deviceUuid } from '../../support/node-fixtures.js';
import { goodReading, HealthBench } from './health-bench.js';

type Step = Partial<DeviceSample> | ((second: number) => Partial<DeviceSample>);

const reading = (change: Partial<DeviceReading>): Partial<DeviceSample> => ({
  reading: { ...goodReading, ...change },
});
const details = (change: Partial<DeviceDetails>): Partial<DeviceSample> => ({
  details: { ...emptyDetails, ...change },
});

/** One sample a second. */
function run(bench: HealthBench, seconds: number, step: Step): void {
  for (let second = 0; second < seconds; second++)
    bench.sample({ devices: [bench.device(0, typeof step === 'function' ? step(second) : step)] });
}

const during =
  (seconds: number, step: Step) =>
  (bench: HealthBench): void =>
    run(bench, seconds, step);

function links(seconds: number, change: (second: number) => Partial<LinkReading>) {
  return during(seconds, (second) => ({
    details: { ...emptyDetails, nvlinkCount: 1 },
    parts: { readNumber: second + 1, links: [{ ...emptyLink, ...change(second) }], migs: null, peers: null },
  }));
}

function host(bench: HealthBench, change: Partial<HostReadings>): void {
  bench.tracker.handleHost({ ...noHostReadings, takenAtMs: bench.clock.monotonicMs(), ...change });
  bench.sample();
}

function port(active: boolean, symbolErrors = 0): RdmaPort {
  const counters = { symbolErrors, linkDowned: 0, linkErrorRecovery: 0, receiveErrors: 0 };
  return { name: 'mlx5_0/1', active, ...counters };
}

function stalledEngine(seconds: number, change: Partial<DeviceReading>) {
  return (bench: HealthBench): void => {
    bench.tracker.handleWorkload({
      ...noWorkload,
      engines: [
        {
          ...{ engineId: 'chat-0', deviceUuids: [deviceUuid(0)], pids: [], running: 1, waiting: 0 },
          ...{ tokenAgeMs: 100_000, cudaError: null, stepSeconds: null },
        },
      ],
    });
    run(bench, seconds, reading(change));
  };
}

function kernelLines(count: number, text: string) {
  return (bench: HealthBench): void => {
    for (let n = 0; n < count; n++) {
      bench.kernel(text);
      bench.sample();
    }
  };
}

interface Case {
  /** Thresholds with which the cause fires, and does not. */
  fires: number;
  silent: number;
  cause(bench: HealthBench): void;
}

const throttled = (bit: number): Case => ({
  fires: 0.15,
  silent: 0.25,
  cause: during(121, reading({ throttleReasons: bit, gpuUtilizationRatio: 1 })),
});

const cases: Record<string, Case> = {
  driver_drift: {
    fires: 1,
    silent: 2,
    cause: (bench) => {
      const versions = (vbios: string) => ({ versions: { vbios, inforom: null, partNumber: 'p' } });
      bench.sample({ devices: [bench.device(0, versions('1')), bench.device(1, versions('2'))] });
    },
  },
  nvml_call_hang: {
    fires: 4,
    silent: 6,
    cause: (bench) =>
      bench.sample({
        stuck: [{ deviceIndex: 0, deviceUuid: deviceUuid(0), call: 'nvmlDeviceGetName', forMs: 5000 }],
      }),
  },
  stale_sample: { fires: 2, silent: 6, cause: during(1, { ageMs: 5000 }) },
  kmsg_overrun: { fires: 4, silent: 5, cause: (bench) => bench.tracker.kernelRecordsLost(5) },
  nvml_slow: { fires: 400, silent: 600, cause: during(25, details({ fastReadSeconds: 0.5 })) },
  gpu_handle_unknown: {
    fires: 3,
    silent: 10,
    cause: during(4, { error: { code: 'NVML_ERROR_UNKNOWN', call: 'nvmlDeviceGetHandleByIndex_v2' } }),
  },
  xid_app_repeat: {
    fires: 3,
    silent: 4,
    cause: (bench) => {
      for (let n = 0; n < 3; n++) {
        bench.xid(13);
        run(bench, 10, {});
      }
    },
  },
  xid_after_reset: {
    fires: 3,
    silent: 4,
    cause: (bench) => {
      for (let n = 0; n < 4; n++) {
        bench.xid(79);
        run(bench, 5, {});
        bench.absent();
        run(bench, 5, {});
      }
    },
  },
  gsp_timeout_storm: {
    fires: 3,
    silent: 4,
    cause: kernelLines(3, 'NVRM: GPU0 0000:01:00.0: _kgspRpcRecvPoll: timeout'),
  },
  ecc_uncorrected: {
    fires: 2,
    silent: 3,
    cause: during(2, (second) => reading({ eccUncorrectedVolatile: 3 * second })),
  },
  ecc_corrected_rate: {
    fires: 50,
    silent: 70,
    cause: during(121, (second) => reading({ eccCorrectedVolatile: second })),
  },
  row_remap_total: { fires: 10, silent: 11, cause: during(1, reading({ remappedRowsUncorrectable: 10 })) },
  row_remap_bank_low: {
    fires: 1,
    silent: 2,
    cause: during(1, details({ remapBanksNone: 2, remapBanksLow: 0 })),
  },
  remap_rate: {
    fires: 3,
    silent: 4,
    cause: during(2, (second) => reading({ remappedRowsUncorrectable: 3 * second })),
  },
  retired_pages: {
    fires: 5,
    silent: 6,
    cause: during(1, details({ retiredPagesSingleBit: 2, retiredPagesDoubleBit: 3, retiredPagesPending: 0 })),
  },
  bar1_full: {
    fires: 0.5,
    silent: 0.7,
    cause: during(1, details({ bar1UsedBytes: 60, bar1TotalBytes: 100 })),
  },
  orphan_memory: {
    fires: 400,
    silent: 600,
    cause: (bench) => {
      bench.tracker.handleWorkload({ ...noWorkload, seesHostPids: true });
      run(bench, 130, reading({ memoryUsedBytes: 500 * 1024 ** 2 }));
    },
  },
  memory_size_changed: {
    fires: -0.5e9,
    silent: -2e9,
    cause: during(2, (second) => reading({ memoryTotalBytes: 80e9 - second * 1e9 })),
  },
  temp_gpu: { fires: 70, silent: 80, cause: during(1, reading({ temperatureCelsius: 75 })) },
  temp_hbm: { fires: 70, silent: 90, cause: during(40, reading({ memoryTemperatureCelsius: 80 })) },
  throttle_hw_thermal: throttled(0x40),
  throttle_power_brake: throttled(0x80),
  throttle_hw_slowdown: throttled(0x8),
  throttle_sw_power: throttled(0x4),
  power_limit_low: {
    fires: 0.8,
    silent: 0.7,
    cause: during(1, { ...reading({ powerLimitWatts: 300 }), ...details({ powerLimitDefaultWatts: 400 }) }),
  },
  power_unreadable: { fires: 4, silent: 5, cause: during(4, { failed: ['powerWatts'] }) },
  clocks_stuck_low: {
    fires: 0.6,
    silent: 0.4,
    cause: during(310, {
      ...reading({ smClockMhz: 1000, gpuUtilizationRatio: 0.9, throttleReasons: 0 }),
      ...details({ smClockMaxMhz: 2000 }),
    }),
  },
  fan_failed: {
    fires: 10,
    silent: 3,
    cause: during(130, { ...reading({ temperatureCelsius: 70 }), ...details({ fanSpeedRatio: 0.05 }) }),
  },
  pcie_replay_rate: {
    fires: 50,
    silent: 70,
    cause: during(121, (second) =>
      reading({ pcieReplayCounter: second, pcieLinkWidth: 1, pcieLinkGeneration: 4 }),
    ),
  },
  pcie_recovery_rate: {
    fires: 50,
    silent: 70,
    cause: during(61, (second) => details({ pcieRecoveryCounter: second })),
  },
  pcie_fatal_errors: {
    fires: 2,
    silent: 3,
    cause: during(2, (second) => details({ pcieFatalErrors: 3 * second, pcieNonFatalErrors: 0 })),
  },
  pcie_aer: {
    fires: 5,
    silent: 6,
    cause: kernelLines(5, 'pcieport 0000:00:01.0: AER: Corrected error received: 0000:01:00.0'),
  },
  nvlink_errors: { fires: 50, silent: 70, cause: links(121, (second) => ({ replayErrors: second })) },
  nvlink5_errors: { fires: 50, silent: 70, cause: links(121, (second) => ({ receiveErrors: second })) },
  nvlink5_ber: { fires: 1e-11, silent: 1e-9, cause: links(1, () => ({ effectiveBer: 0x10a })) },
  fabric_degraded: { fires: 0, silent: 1, cause: during(1, details({ fabricHealthMask: 0x11a9 })) },
  c2c_link: { fires: 1, silent: 2, cause: during(1, details({ c2cLinkCount: 10, c2cLinksActive: 8 })) },
  d_state: {
    fires: 60,
    silent: 120,
    cause: (bench) => host(bench, { blockedProcesses: [{ pid: 7, name: 'nvidia-smi', forMs: 100_000 }] }),
  },
  ib_port_down: {
    fires: 60,
    silent: 200,
    cause: (bench) => {
      host(bench, { rdmaPorts: [port(true)] });
      host(bench, { rdmaPorts: [port(false)] });
      run(bench, 100, {});
    },
  },
  ib_port_errors: {
    fires: 40,
    silent: 60,
    cause: (bench) => {
      host(bench, { rdmaPorts: [port(true)] });
      host(bench, { rdmaPorts: [port(true, 50)] });
    },
  },
  host_memory: { fires: 0.3, silent: 0.1, cause: (bench) => host(bench, { memoryAvailableRatio: 0.2 }) },
  disk_low: {
    fires: 0.3,
    silent: 0.1,
    cause: (bench) => host(bench, { disks: [{ path: '/models', freeRatio: 0.2 }] }),
  },
  engine_stuck_gpu_idle: { fires: 20, silent: 5, cause: stalledEngine(70, { gpuUtilizationRatio: 0.1 }) },
  engine_stuck_gpu_busy: {
    fires: 80,
    silent: 95,
    cause: stalledEngine(70, { gpuUtilizationRatio: 0.9, powerWatts: 100, powerLimitWatts: 400 }),
  },
  foreign_process: {
    fires: 1,
    silent: 2,
    cause: (bench) => {
      bench.tracker.handleWorkload({ ...noWorkload, seesHostPids: true });
      const holder = (pid: number) => ({ pid, memoryBytes: 1 });
      run(bench, 1, { processes: [holder(71), holder(72)] });
    },
  },
  gpu_slower_than_siblings: {
    fires: 0.05,
    silent: 0.2,
    cause: (bench) => {
      const at = (index: number, smClockMhz: number): DeviceSample =>
        bench.device(index, reading({ smClockMhz, gpuUtilizationRatio: 0.9 }));
      for (let second = 0; second < 610; second++)
        bench.sample({ devices: [at(0, 900), at(1, 1000), at(2, 1000)] });
    },
  },
};

describe('a threshold of the configuration', () => {
  it.each(Object.keys(checkThresholds))('moves the point at which %s fires', (check) => {
    const one = cases[check];
    if (!one) throw new Error(`add a case for ${check}`);
    const firesAt = (threshold: number): boolean => {
      const bench = new HealthBench({ settings: { [check]: { threshold, enabled: true } } });
      bench.sample();
      one.cause(bench);
      return bench.condition(check) !== undefined || bench.nodeCondition(check) !== undefined;
    };
    expect([firesAt(one.fires), firesAt(one.silent)]).toEqual([true, false]);
    const { least, most } = checkThresholds[check]!;
    for (const threshold of [one.fires, one.silent]) {
      expect(threshold).toBeGreaterThanOrEqual(least);
      expect(threshold).toBeLessThanOrEqual(most);
    }
  });
});

it('every check of the data is in the table or among those without a number, and what compares a number is in the table', () => {
  const known = [...Object.keys(checkThresholds), ...checksWithoutThreshold];
  expect([...known].sort()).toEqual([...checkRows.keys()].sort());
  const readme = readFileSync('src/health/README.md', 'utf8');
  expect(known.filter((id) => !readme.includes(`\`${id}\``))).toEqual([]);
  expect(Object.keys(cases).sort()).toEqual(Object.keys(checkThresholds).sort());
  const compares = [...checkRows.values()].filter(
    ({ threshold: { op, value, metric } }) =>
      ['>', '>=', '<', '<='].includes(String(op)) && typeof value === 'number' && metric !== 'events',
  );
  expect(Object.keys(checkThresholds)).toEqual(expect.arrayContaining(compares.map(({ id }) => id)));
});

describe('a threshold that means nothing is refused', () => {
  const problem = (checks: unknown): string => {
    const { error } = agentSchema.safeParse({ health: { checks } });
    return error ? explainIssues(error.issues, { health: { checks } }, 'agent.yaml') : '';
  };

  it.each([
    ['temp_gqu', { threshold: 90 }, /health\.checks\.temp_gqu: .*temp_gpu/],
    ['nothing_like_it', { enabled: false }, /health\.checks\.nothing_like_it: .*README/],
    ['xid', { threshold: 3 }, /health\.checks\.xid\.threshold: .*xid has no threshold.*\(got 3\)/],
    ['bar1_full', { threshold: 95 }, /health\.checks\.bar1_full\.threshold: .*ratio from 0 to 1 \(got 95\)/],
    ['temp_gpu', { threshold: 'hot' }, /health\.checks\.temp_gpu\.threshold: .*"hot"/],
    ['constructor', { threshold: 1 }, /health\.checks\.constructor: /],
  ])('%s', (check, settings, message) => {
    expect(problem({ [check]: settings })).toMatch(message);
  });

  it.each(checksWithoutThreshold)('%s takes no threshold, and can be switched off', (check) => {
    expect(problem({ [check]: { threshold: 1 } })).toContain(`health.checks.${check}.threshold`);
    expect(problem({ [check]: { enabled: false } })).toBe('');
  });
});
