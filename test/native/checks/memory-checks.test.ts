/** Checks of GPU memory against the simulated library: each fires and clears by the rule of its row. */
import { expect, it } from 'vitest';
import { check, checkThatStays, simulated } from '../../support/check-tests.js';

const mebibyte = 1024 ** 2;
const minute = 60;

check(
  'ecc_disabled',
  async (sim) => {
    await sim.set({ eccPending: 0 });
    sim.expectFiring('ecc_disabled', { severity: 'warning', action: 'reset-device' });
    await sim.set({ eccEnabled: 0 });
    sim.expectFiring('ecc_disabled');
  },
  (sim) => sim.set({ eccEnabled: 1, eccPending: 1 }),
);

check(
  'ecc_uncorrected',
  async (sim) => {
    await sim.set({ eccUncorrectedVolatile: 2 });
    sim.expectFiring('ecc_uncorrected', { severity: 'critical', action: 'reset-device' });
    await sim.sample();
    sim.expectFiring('ecc_uncorrected');
  },
  (sim) => sim.set({ eccUncorrectedVolatile: 0 }),
);

check(
  'ecc_corrected_rate',
  async (sim) => {
    await sim.set({ eccCorrectedVolatile: 100 }, { seconds: minute });
    sim.expectClear('ecc_corrected_rate');
    await sim.set({ eccCorrectedVolatile: 201 }, { seconds: minute });
    sim.expectFiring('ecc_corrected_rate', { severity: 'warning', action: 'none' });
    await sim.set({ eccCorrectedVolatile: 1000 }, { seconds: minute });
    sim.expectFiring('ecc_corrected_rate', { severity: 'critical' });
  },
  async (sim) => {
    await sim.samples(30, minute);
    sim.expectFiring('ecc_corrected_rate');
    await sim.samples(2, minute);
  },
);

check(
  'ecc_sram_threshold',
  async (sim) => {
    await sim.set({ sramThresholdExceeded: 1 });
    sim.expectFiring('ecc_sram_threshold', { severity: 'critical', action: 'replace-hardware' });
    expect(sim.status().health).toBe('unhealthy');
  },
  (sim) => sim.set({ sramThresholdExceeded: 0 }),
);

check(
  'row_remap_pending',
  async (sim) => {
    await sim.set({ rowRemapPending: 1 });
    sim.expectFiring('row_remap_pending', { severity: 'warning', action: 'reset-device' });
    await sim.set({ eccUncorrectedVolatile: 1 });
    sim.expectFiring('row_remap_pending', { severity: 'critical' });
  },
  (sim) => sim.set({ rowRemapPending: 0 }),
);

checkThatStays(
  'row_remap_failure',
  { rowRemapFailure: 1 },
  { rowRemapFailure: 0 },
  { severity: 'fatal', action: 'replace-hardware' },
);
checkThatStays(
  'row_remap_total',
  { remappedRowsUncorrectable: 512 },
  { remappedRowsUncorrectable: 0 },
  { severity: 'critical', advice: 'contact_support' },
);
checkThatStays(
  'row_remap_bank_low',
  { remapBanksNone: 1 },
  { remapBanksNone: 0 },
  { severity: 'critical', advice: 'contact_support' },
);
checkThatStays(
  'memory_unrepairable',
  { unrepairableMemory: 1 },
  { unrepairableMemory: 0 },
  { severity: 'fatal', action: 'replace-hardware' },
  { driver: '590' },
);
checkThatStays(
  'retired_pages',
  { retiredPagesDoubleBit: 10, retiredPagesSingleBit: 5 },
  { retiredPagesDoubleBit: 0, retiredPagesSingleBit: 0 },
  { severity: 'warning', advice: 'contact_support' },
  { profile: 'T4-16' },
);

it('row_remap_total is a warning at half of the limit, and bank_low when spare rows are few', async () => {
  const sim = simulated();
  await sim.set({ remappedRowsUncorrectable: 256, remapBanksLow: 3 });
  sim.expectFiring('row_remap_total', { severity: 'warning' });
  sim.expectFiring('row_remap_bank_low', { severity: 'warning' });
});

it('retired pages that wait ask for a reset, and 60 of them are critical', async () => {
  const sim = simulated({ profile: 'T4-16' });
  await sim.set({ retiredPagesPending: 1 });
  sim.expectFiring('retired_pages', { severity: 'warning', action: 'reset-device' });
  await sim.set({ retiredPagesDoubleBit: 60 });
  sim.expectFiring('retired_pages', { severity: 'critical' });
});

check(
  'remap_rate',
  async (sim) => {
    await sim.set({ remappedRowsUncorrectable: 3 }, { seconds: 24 * 3600 });
    sim.expectClear('remap_rate');
    await sim.set({ remappedRowsUncorrectable: 4 }, { seconds: 24 * 3600 });
    sim.expectFiring('remap_rate', { severity: 'warning', advice: 'contact_support' });
  },
  async (sim) => {
    await sim.samples(3, 24 * 3600);
    sim.expectFiring('remap_rate');
    await sim.samples(6, 24 * 3600);
  },
);

it('the pace of remapping is known over a restart of the agent', async () => {
  const sim = simulated();
  await sim.sample();
  const restored = structuredClone(sim.stored!);
  await sim.set({ remappedRowsUncorrectable: 5 });
  const other = simulated({ restored });
  other.gpus.edit((scenario) => {
    scenario.devices[0]!.uuid = sim.gpus.uuids[0]!;
    scenario.devices[0]!.set.remappedRowsUncorrectable = 5;
  });
  await other.sample();
  expect(other.tracker.devices[0]?.conditions).toMatchObject([{ check: 'remap_rate' }]);
});

check(
  'repair_pending',
  async (sim) => {
    await sim.set({ channelRepairPending: 1 });
    sim.expectFiring('repair_pending', { severity: 'warning', action: 'reset-device' });
  },
  (sim) => sim.set({ channelRepairPending: 0 }),
);

check(
  'inforom_corrupt',
  async (sim) => {
    await sim.set({ inforomCorrupt: 1 });
    sim.expectFiring('inforom_corrupt', { severity: 'warning', advice: 'contact_support' });
  },
  (sim) => sim.set({ inforomCorrupt: 0 }),
);

check(
  'bar1_full',
  async (sim) => {
    await sim.set({ bar1TotalBytes: 1000 * mebibyte, bar1UsedBytes: 951 * mebibyte });
    sim.expectFiring('bar1_full', { severity: 'warning', action: 'none' });
  },
  async (sim) => {
    await sim.set({ bar1UsedBytes: 920 * mebibyte });
    sim.expectFiring('bar1_full');
    await sim.set({ bar1UsedBytes: 899 * mebibyte });
  },
);

check(
  'orphan_memory',
  async (sim) => {
    sim.workload({ seesHostPids: true });
    await sim.set({ memoryLeakedBytes: 1025 * mebibyte });
    await sim.sample(119);
    sim.expectClear('orphan_memory');
    await sim.sample(1);
    sim.expectFiring('orphan_memory', { severity: 'warning', action: 'reset-device' });
  },
  (sim) => sim.set({ memoryLeakedBytes: 0 }),
);

it('without the host process ids nobody can say that memory is orphaned', async () => {
  const sim = simulated();
  await sim.set({ memoryLeakedBytes: 4096 * mebibyte });
  await sim.sample(200);
  expect(sim.conditions('orphan_memory')).toEqual([]);
});

check(
  'memory_size_changed',
  async (sim) => {
    await sim.set({ memoryTotalBytes: 70_000 * mebibyte });
    sim.expectFiring('memory_size_changed', { severity: 'critical', advice: 'contact_support' });
  },
  (sim) => sim.set({ memoryTotalBytes: 81_559 * mebibyte }),
);

it('an operator who acknowledges a smaller memory accepts it', async () => {
  const sim = simulated();
  await sim.sample();
  await sim.set({ memoryTotalBytes: 70_000 * mebibyte });
  sim.tracker.uncordonDevice('0', 'health:memory_size_changed');
  await sim.samples(3, 1);
  sim.expectClear('memory_size_changed');
});
