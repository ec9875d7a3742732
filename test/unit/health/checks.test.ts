/**
 * Every registered check fires and clears, driven through the tracker with a clock that moves only here. The tests are
 * named by check id; test/contract/health-checks.test.ts proves that none is left out.
 */
import { describe, expect, it } from 'vitest';
import { deviceUuid } from '../../support/node-fixtures.js';
import { HealthBench } from './health-bench.js';

/** One check, two tests: `fires` leaves it firing, `clears` goes on from there. */
function check(
  id: string,
  fires: (bench: HealthBench) => void,
  clears: (bench: HealthBench) => void,
  options: ConstructorParameters<typeof HealthBench>[0] = {},
): void {
  describe(id, () => {
    it(`${id} fires`, () => {
      const bench = new HealthBench(options);
      bench.sample();
      bench.expectClear(id);
      fires(bench);
    });
    it(`${id} clears`, () => {
      const bench = new HealthBench(options);
      bench.sample();
      fires(bench);
      clears(bench);
      bench.expectClear(id);
    });
  });
}

const cannotInit = { state: 'init-failed', reason: 'NVML_ERROR_DRIVER_NOT_LOADED from nvmlInit_v2' } as const;

check(
  'driver_not_loaded',
  (bench) => {
    bench.sample({ driver: cannotInit, devices: [] });
    bench.expectFiring('driver_not_loaded', { severity: 'fatal', action: 'none', advice: 'check_driver' });
    expect(bench.status.health).toBe('unknown');
    expect(bench.status.reason).toContain('nvmlInit_v2');
    bench.expectClear('gpu_missing');
  },
  (bench) => {
    bench.sample();
    expect(bench.status.health).toBe('healthy');
  },
);

const stuck = (forMs: number) => ({
  stuck: [{ deviceIndex: 0, deviceUuid: deviceUuid(0), call: 'nvmlDeviceGetMemoryInfo_v2', forMs }],
});

check(
  'nvml_call_hang',
  (bench) => {
    bench.sample(stuck(3_000));
    bench.expectClear('nvml_call_hang');
    expect(bench.status).toMatchObject({
      health: 'unknown',
      reason: 'the driver call nvmlDeviceGetMemoryInfo_v2 has not returned',
    });
    bench.sample(stuck(11_000));
    bench.expectFiring('nvml_call_hang', { severity: 'warning' });
    bench.sample({ ...stuck(61_000), devices: [] });
    bench.expectFiring('nvml_call_hang', { severity: 'critical', action: 'none' });
    bench.expectClear('gpu_missing');
    expect(bench.status.health).toBe('unknown');
    expect(bench.status.cordons).toEqual([]);
  },
  (bench) => bench.sample(),
);

check(
  'stale_sample',
  (bench) => {
    bench.tracker.start();
    bench.clock.advance(3_000);
    bench.expectClear('stale_sample');
    bench.clock.advance(1_000);
    bench.expectFiring('stale_sample', { severity: 'warning' });
    expect(bench.status.health).toBe('unknown');
    bench.tracker.close();
  },
  (bench) => bench.sample(),
);

check(
  'gpu_missing',
  (bench) => {
    bench.absent();
    bench.expectFiring('gpu_missing', { severity: 'fatal', action: 'reboot-node' });
    expect(bench.status).toMatchObject({ health: 'unhealthy', action: 'reboot-node' });
    expect(bench.status.identity.serial).not.toBeNull();
    expect(bench.status.cordons).toMatchObject([{ holder: 'health:gpu_missing' }]);
  },
  (bench) => {
    bench.sample();
    expect(bench.status.cordons).toEqual([]);
  },
);

check(
  'gpu_lost',
  (bench) => {
    bench.failing('NVML_ERROR_GPU_IS_LOST');
    bench.expectFiring('gpu_lost', { severity: 'fatal', action: 'reboot-node' });
    expect(bench.status.health).toBe('unhealthy');
  },
  (bench) => {
    bench.sample({ driver: { state: 'released', reason: 'on request' }, devices: [] });
    bench.expectFiring('gpu_lost', {}); // not looked at is not repaired
    bench.sample();
  },
);

check(
  'gpu_reset_required',
  (bench) => {
    bench.failing('NVML_ERROR_RESET_REQUIRED');
    bench.expectFiring('gpu_reset_required', { severity: 'fatal', action: 'reset-device' });
  },
  (bench) => bench.sample(),
);

check(
  'gpu_unavailable_event',
  (bench) => {
    bench.event({ kind: 'unavailable', code: 0 });
    bench.reading({ recoveryAction: 1 });
    bench.expectFiring('gpu_unavailable_event', { severity: 'fatal', action: 'reset-device' });
    expect(bench.status).toMatchObject({ health: 'unhealthy' });
    expect(bench.status.cordons.map((c) => c.holder)).toContain('health:gpu_unavailable_event');
  },
  (bench) => {
    bench.reading({ recoveryAction: null });
    bench.expectFiring('gpu_unavailable_event', {});
    bench.sample();
  },
);

check(
  'recovery_action',
  (bench) => {
    bench.reading({ recoveryAction: 4 });
    bench.expectFiring('recovery_action', { severity: 'critical', action: 'reset-device' });
    expect(bench.status.health).toBe('unhealthy');
    bench.reading({ recoveryAction: 2 });
    bench.expectFiring('recovery_action', { severity: 'fatal', action: 'reboot-node' });
    bench.reading({ recoveryAction: 77 });
    bench.expectFiring('recovery_action', { severity: 'critical', advice: 'contact_support' });
  },
  (bench) => {
    bench.reading({ recoveryAction: null }); // an old driver after a change says nothing, which is not "None"
    bench.expectFiring('recovery_action', {});
    bench.reading({ recoveryAction: 0 });
  },
);

check(
  'ecc_uncorrected',
  (bench) => {
    bench.reading({ eccUncorrectedVolatile: 2 });
    bench.expectFiring('ecc_uncorrected', { severity: 'critical', action: 'reset-device' });
    expect(bench.status.health).toBe('unhealthy');
  },
  (bench) => {
    for (let i = 0; i < 5; i++) bench.reading({ eccUncorrectedVolatile: 2 });
    bench.expectFiring('ecc_uncorrected', {});
    bench.reading({ eccUncorrectedVolatile: 0 });
  },
);

check(
  'row_remap_failure',
  (bench) => {
    bench.reading({ rowRemapFailure: 1 });
    bench.expectFiring('row_remap_failure', { severity: 'fatal', action: 'replace-hardware' });
  },
  (bench) => {
    for (let i = 0; i < 100; i++) bench.sample();
    bench.expectFiring('row_remap_failure', {}); // the rule is "never"
    bench.sample({
      devices: [bench.device(0, { identity: { ...bench.device().identity, serial: 'another' } })],
    });
  },
);

check(
  'temp_gpu',
  (bench) => {
    bench.reading({ temperatureMarginCelsius: 6 });
    bench.expectClear('temp_gpu');
    bench.reading({ temperatureMarginCelsius: 5 });
    bench.expectFiring('temp_gpu', { severity: 'warning', advice: 'check_cooling_power' });
    expect(bench.status).toMatchObject({ health: 'degraded', cordons: [] });
  },
  (bench) => {
    for (let i = 0; i < 200; i++) bench.reading({ temperatureMarginCelsius: 8 }); // not above 8
    for (let i = 0; i < 120; i++) bench.reading({ temperatureMarginCelsius: 9 });
    bench.expectFiring('temp_gpu', {});
    bench.reading({ temperatureMarginCelsius: 9 });
  },
);

describe('temp_gpu without a margin', () => {
  it('takes the configured threshold in degrees, else 90', () => {
    const standard = new HealthBench();
    standard.reading({ temperatureCelsius: 89 });
    standard.expectClear('temp_gpu');
    standard.reading({ temperatureCelsius: 95 });
    standard.expectFiring('temp_gpu', { severity: 'warning' });

    const strict = new HealthBench({ settings: { temp_gpu: { threshold: 60, enabled: true } } });
    strict.reading({ temperatureCelsius: 60, temperatureMarginCelsius: 40 });
    strict.expectFiring('temp_gpu', {});
  });

  it('is unsupported without any reading, and neither fires nor clears', () => {
    const bench = new HealthBench();
    bench.reading({ temperatureCelsius: null });
    bench.expectClear('temp_gpu');
    bench.reading({ temperatureCelsius: 99 });
    for (let i = 0; i < 300; i++) bench.reading({ temperatureCelsius: null });
    bench.expectFiring('temp_gpu', {});
  });
});

describe('every check', () => {
  it('a disabled check is silent, and one that is switched off goes', () => {
    const bench = new HealthBench({ settings: { gpu_lost: { enabled: false } } });
    bench.failing('NVML_ERROR_GPU_IS_LOST');
    bench.expectClear('gpu_lost');
    bench.tracker.reconfigure({});
    bench.failing('NVML_ERROR_GPU_IS_LOST');
    bench.expectFiring('gpu_lost', {});
    bench.tracker.reconfigure({ gpu_lost: { enabled: false } });
    bench.failing('NVML_ERROR_GPU_IS_LOST');
    bench.expectClear('gpu_lost');
  });

  it('a disabled check of events is counted, and nothing is done about it', async () => {
    const bench = new HealthBench({ settings: { xid: { enabled: false } } });
    bench.sample();
    bench.xid(79);
    bench.expectClear('xid');
    expect(bench.faults).toEqual([]);
    expect(await bench.registry.metrics()).toMatch(/infernode_device_xid_total\{.*xid="79"\} 1/);
  });

  it('a serial number that cannot be read is no other part', () => {
    const bench = new HealthBench();
    bench.sample();
    bench.xid(79);
    const { identity } = bench.device();
    bench.sample({ devices: [bench.device(0, { identity: { ...identity, serial: null } })] });
    bench.expectFiring('xid', { severity: 'fatal' });
    expect(bench.status.identity.serial).toBe(identity.serial);
  });

  it('a fault of one device neither hides nor taints another', () => {
    const bench = new HealthBench();
    const bad = bench.device(1, { error: { code: 'NVML_ERROR_GPU_IS_LOST', call: 'x' } });
    bench.sample({ devices: [bench.device(0), bad] });
    expect(bench.devices.map((d) => d.health)).toEqual(['healthy', 'unhealthy']);
  });

  it('a call that hangs in the driver as a whole makes every device unknown', () => {
    const bench = new HealthBench();
    bench.sample({ devices: [bench.device(0), bench.device(1)] });
    bench.sample({
      devices: [],
      stuck: [{ deviceIndex: null, deviceUuid: null, call: 'nvmlDeviceGetCount_v2', forMs: 3000 }],
    });
    expect(bench.devices.map((d) => d.health)).toEqual(['unknown', 'unknown']);
  });
});
