/** Checks of temperature, throttling, power, clocks and fans against the simulated library. */
import { expect, it } from 'vitest';
import { check, simulated } from '../../support/check-tests.js';

const step = 5;
const tenMinutes = 600 / step;
const busy = { gpuUtilizationRatio: 0.95 };

check(
  'temp_gpu',
  async (sim) => {
    await sim.set({ temperatureCelsius: 88 });
    sim.expectFiring('temp_gpu', { severity: 'warning', advice: 'check_cooling_power' });
    expect(sim.status().health).toBe('degraded');
  },
  async (sim) => {
    await sim.set({ temperatureCelsius: 60 });
    await sim.sample(119);
    sim.expectFiring('temp_gpu');
    await sim.sample(1);
  },
);

check(
  'temp_hbm',
  async (sim) => {
    await sim.set({ memoryTemperatureCelsius: 95 });
    await sim.sample(29);
    sim.expectClear('temp_hbm');
    await sim.sample(1);
    sim.expectFiring('temp_hbm', { severity: 'warning', advice: 'check_cooling_power' });
  },
  async (sim) => {
    await sim.set({ memoryTemperatureCelsius: 93 });
    await sim.sample(300);
    sim.expectFiring('temp_hbm');
    await sim.set({ memoryTemperatureCelsius: 92 });
    await sim.sample(120);
  },
);

check(
  'throttle_hw_thermal',
  async (sim) => {
    await sim.set({ ...busy, throttleReasons: 0, throttleHwThermalNs: 0 });
    await sim.set({ throttleHwThermalNs: 59e9 }, { seconds: 300 });
    sim.expectClear('throttle_hw_thermal');
    await sim.set({ throttleHwThermalNs: 61e9 }, { seconds: 60 });
    sim.expectFiring('throttle_hw_thermal', { severity: 'critical', advice: 'check_cooling_power' });
  },
  async (sim) => {
    await sim.samples(9, 60);
    sim.expectFiring('throttle_hw_thermal');
    await sim.samples(3, 60);
  },
);

check(
  'throttle_power_brake',
  async (sim) => {
    await sim.set({ ...busy, throttlePowerBrakeNs: 0 });
    await sim.set({ throttlePowerBrakeNs: 7e9 }, { seconds: 60 });
    sim.expectFiring('throttle_power_brake', { severity: 'critical', advice: 'check_cooling_power' });
  },
  (sim) => sim.samples(12, 60),
);

check(
  'throttle_hw_slowdown',
  async (sim) => {
    await sim.set({ ...busy, throttleReasons: 0x8 });
    await sim.samples(11, step);
    sim.expectClear('throttle_hw_slowdown');
    await sim.sample(step);
    sim.expectFiring('throttle_hw_slowdown', { severity: 'critical' });
  },
  async (sim) => {
    await sim.set({ throttleReasons: 0 });
    await sim.samples(tenMinutes - 15, step);
    sim.expectFiring('throttle_hw_slowdown');
    await sim.samples(30, step);
  },
);

it('old drivers without time counters are judged by their samples', async () => {
  const sim = simulated({ driver: '550' });
  await sim.set({ ...busy, throttleReasons: 0x40 | 0x80, violationThermalNs: null });
  await sim.samples(14, step);
  sim.expectFiring('throttle_hw_thermal');
  sim.expectFiring('throttle_power_brake');
});

it('an idle device that throttles is not looked at', async () => {
  const sim = simulated({ driver: '550' });
  await sim.set({ gpuUtilizationRatio: 0, throttleReasons: 0x48, violationThermalNs: null });
  await sim.samples(20, step);
  expect(sim.conditions('throttle_hw_slowdown')).toEqual([]);
  expect(sim.conditions('throttle_hw_thermal')).toEqual([]);
});

check(
  'throttle_sw_power',
  async (sim) => {
    await sim.set({ ...busy, violationPowerNs: 0 });
    await sim.set({ violationPowerNs: 481e9 }, { seconds: 599 });
    sim.expectFiring('throttle_sw_power', { severity: 'info', action: 'none' });
    expect(sim.status().health).toBe('healthy');
  },
  async (sim) => {
    await sim.set({ violationPowerNs: 481e9 + 299e9 }, { seconds: 601 });
    await sim.samples(2, 60);
  },
);

check(
  'power_limit_low',
  async (sim) => {
    await sim.set({ powerLimitWatts: 489 });
    sim.expectFiring('power_limit_low', { severity: 'warning', advice: 'fix_config' });
  },
  (sim) => sim.set({ powerLimitWatts: 500 }),
);

check(
  'power_unreadable',
  async (sim) => {
    await sim.edit((s) => void s.returns.push({ call: 'nvmlDeviceGetPowerUsage', device: 0, code: 999 }));
    await sim.sample();
    sim.expectClear('power_unreadable');
    await sim.sample();
    sim.expectFiring('power_unreadable', { severity: 'warning', action: 'none' });
  },
  (sim) => sim.edit((s) => void (s.returns = [])),
);

it('values that no board can draw count as failed readings', async () => {
  const sim = simulated();
  await sim.set({ powerWatts: 2.5 });
  await sim.samples(2, 1);
  sim.expectFiring('power_unreadable');
});

it('a part that does not tell its power is unsupported, not healthy and not faulty', async () => {
  const sim = simulated();
  sim.gpus.edit((s) => void (s.devices[0]!.set.powerWatts = null));
  await sim.samples(4, 1);
  expect(sim.conditions('power_unreadable')).toEqual([]);
  expect(sim.status().unsupportedChecks).toContain('power_unreadable');
});

check(
  'clocks_stuck_low',
  async (sim) => {
    await sim.set({ ...busy, throttleReasons: 0, smClockMhz: 900 });
    await sim.sample(299);
    sim.expectClear('clocks_stuck_low');
    await sim.sample(1);
    sim.expectFiring('clocks_stuck_low', { severity: 'warning', action: 'reset-device' });
  },
  async (sim) => {
    await sim.set({ smClockMhz: 1900 });
    await sim.sample(299);
    sim.expectFiring('clocks_stuck_low');
    await sim.sample(1);
  },
);

it('low clocks under a power cap are explained and no fault', async () => {
  const sim = simulated();
  await sim.set({ ...busy, throttleReasons: 0x4, smClockMhz: 900 });
  await sim.sample(400);
  sim.expectClear('clocks_stuck_low');
});

check(
  'clock_monitor_fault',
  async (sim) => {
    await sim.set({ clockMonitorFault: 1 });
    sim.expectFiring('clock_monitor_fault', { severity: 'critical', action: 'reset-device' });
  },
  (sim) => sim.set({ clockMonitorFault: 0 }),
);

const fans = { fanCount: 2, fanSpeedRatio: 0.4 };
check(
  'fan_failed',
  async (sim) => {
    await sim.set({ fanSpeedRatio: 0, temperatureCelsius: 65 });
    await sim.sample(119);
    sim.expectClear('fan_failed');
    await sim.sample(1);
    sim.expectFiring('fan_failed', { severity: 'warning', advice: 'check_cooling_power' });
  },
  (sim) => sim.set({ fanSpeedRatio: 0.3 }),
  { set: fans },
);
