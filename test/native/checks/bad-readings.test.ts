/** Readings that cannot be true, counters that go backwards, clocks that jump, names that change: no crash, no false fault. */
import { expect, it } from 'vitest';
import { CounterHistory } from '../../../src/health/counter-history.js';
import { simulated } from '../../support/check-tests.js';

it('counters that go backwards are no growth', async () => {
  const sim = simulated();
  sim.gpus.edit(
    ({ devices }) =>
      void Object.assign(devices[0]!.set, { eccCorrectedVolatile: 1e6, pcieReplayCounter: 1e6 }),
  );
  await sim.sample();
  await sim.set({ eccCorrectedVolatile: 3, pcieReplayCounter: 0 }, { seconds: 60 });
  await sim.set({ eccCorrectedVolatile: 5 }, { seconds: 60 });
  await sim.sample();
  expect(sim.conditions('ecc_corrected_rate').length + sim.conditions('pcie_replay_rate').length).toBe(0);
  const counted = await sim.registry.getSingleMetric('infernode_device_counters_backwards_total')?.get();
  expect(counted?.values[0]?.value).toBeGreaterThanOrEqual(2);
});

it('the history counts what went backwards and starts a new base', () => {
  const history = new CounterHistory();
  history.note('x', 100, 0);
  history.note('x', 5, 60_000);
  history.note('x', 6, 120_000);
  expect(history.growth('x', 3_600_000)).toBe(1);
  expect(history.takeBackwards()).toBe(1);
});

it.each([Number.NaN, Number.POSITIVE_INFINITY, -1])(
  'the sentinel %s is no value of a counter, and growth around it counts',
  (sentinel) => {
    const history = new CounterHistory();
    history.note('x', 5, 0);
    history.note('x', sentinel, 60_000);
    history.note('x', 8, 120_000);
    expect(history.growth('x', 3_600_000)).toBe(3);
    expect(history.takeBackwards()).toBe(0);
  },
);

it('a history stays bounded, whatever comes', () => {
  const history = new CounterHistory();
  for (let n = 0; n < 100_000; n++) history.note('x', n, n * 1000);
  expect(history.growth('x', 60_000)).toBeGreaterThanOrEqual(60);
  expect(history.growth('x', Number.MAX_SAFE_INTEGER)).toBeLessThan(2 * 3600);
});

it.each([
  ['all ones', -1],
  ['not supported', null],
] as const)('a sentinel value (%s) in every reading is no fault and no health either', async (_, value) => {
  const sim = simulated();
  sim.gpus.edit(({ devices }) => {
    for (const name of [
      'temperatureCelsius',
      'memoryTemperatureCelsius',
      'powerWatts',
      'powerLimitWatts',
      'smClockMhz',
      'gpuUtilizationRatio',
      'pcieLinkWidth',
      'pcieLinkGeneration',
      'pcieReplayCounter',
      'remappedRowsUncorrectable',
      'performanceState',
      'persistenceMode',
    ] as const)
      devices[0]!.set[name] = value;
    for (const name of ['eccCorrectedVolatile', 'eccUncorrectedVolatile', 'eccUncorrectedAggregate'] as const)
      devices[0]!.set[name] = value;
    devices[0]!.set.links = { 3: { replayErrors: value, recoveryErrors: value } };
  });
  await sim.samples(5, 60);
  expect(sim.status().conditions).toEqual([]);
  expect(sim.status().unsupportedChecks).toEqual(
    expect.arrayContaining(['temp_hbm', 'pcie_width', 'pcie_speed', 'persistence_off', 'row_remap_total']),
  );
});

it('another part with another UUID in the same slot starts anew, and the old one is missing by name', async () => {
  const sim = simulated();
  await sim.set({ remappedRowsUncorrectable: 300 });
  const [old] = sim.tracker.devices;
  sim.gpus.edit(({ devices }) => {
    devices[0]!.uuid = 'GPU-11111111-0000-0000-0000-000000000000';
    devices[0]!.serial = '1650000007777';
    devices[0]!.set = {};
  });
  await sim.reopen();
  const [missing, fresh] = [old!.identity.uuid, 'GPU-11111111-0000-0000-0000-000000000000'].map((uuid) =>
    sim.tracker.devices.find(({ identity }) => identity.uuid === uuid),
  );
  expect(missing?.conditions.map(({ check }) => check)).toContain('gpu_missing');
  expect(missing?.identity.serial).toBe(old!.identity.serial);
  expect(fresh?.conditions).toEqual([]);
});
