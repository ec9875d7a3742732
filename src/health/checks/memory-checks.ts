/** ECC, row remapping, retirement, repair and the size and use of GPU memory. Severity, action and limits: the data's rows. */
import { hourMs, minuteMs, never, ok, unknown, type DeviceCheck } from './device-check.js';
import { absence, companion, holds, twoLevels, valueCheck, valueOf } from './read-values.js';

const mebibyte = 1024 ** 2;
const halfHourMs = 30 * minuteMs;

/** A part without ECC answers "not supported", and so does one whose default is off as far as we can tell. */
const eccDisabled = valueCheck('ecc_disabled', ['eccEnabled', 'eccPending'], ([current, pending]) => {
  if (current !== pending) return 'a change of the ECC mode waits for a reset';
  return current === 0 ? 'ECC is off' : null;
});

/** Corrected errors per minute over ten minutes; above ten a second the row asks for a drain. Configured: per minute. */
const eccCorrectedRate: DeviceCheck = valueCheck(
  'ecc_corrected_rate',
  ['eccCorrectedVolatile'],
  (_, { history }, limit) => {
    const perMinute = history.perMinute('eccCorrectedVolatile', minuteMs) ?? 0;
    if (perMinute <= limit.level) return null;
    const critical = perMinute / 60 > companion(limit, 'critical_above_per_s');
    return {
      state: 'firing',
      severity: critical ? 'critical' : 'warning',
      reason: `more than ${limit.level} corrected memory errors per minute`,
    };
  },
  {
    clears: ({ history }, { level }) =>
      (history.perMinute('eccCorrectedVolatile', minuteMs) ?? Infinity) < level / 2,
    clearAfterMs: halfHourMs,
  },
);

const eccSramThreshold = valueCheck('ecc_sram_threshold', ['sramThresholdExceeded'], ([exceeded]) =>
  exceeded === 1 ? 'the error threshold of on-chip memory is passed' : null,
);

/** Running work is not hurt; with uncorrectable errors on top it becomes critical. */
const rowRemapPending = valueCheck('row_remap_pending', ['rowRemapPending'], ([pending], { history }) => {
  if (pending < 1) return null;
  const more = (history.growth('eccUncorrectedVolatile', hourMs) ?? 0) > 0;
  return {
    state: 'firing',
    severity: more ? 'critical' : 'warning',
    reason: 'a row remap waits for a reset',
  };
});

const rowRemapTotal = valueCheck(
  'row_remap_total',
  ['remappedRowsUncorrectable'],
  ([rows], _, limit) => twoLevels(rows, limit, `${rows} memory rows were remapped for uncorrectable errors`),
  { clears: never },
);

const rowRemapBankLow = valueCheck(
  'row_remap_bank_low',
  ['remapBanksNone', 'remapBanksLow'],
  ([none, low], _, { level }) => {
    if (none > level)
      return { state: 'firing', severity: 'critical', reason: `${none} memory banks have no spare row left` };
    if (low > 0)
      return { state: 'firing', severity: 'warning', reason: `${low} memory banks have few spare rows left` };
    return null;
  },
  { clears: never },
);

/** Growth over the last seven days of the stored history, which outlives the agent. */
const remapRate: DeviceCheck = valueCheck(
  'remap_rate',
  ['remappedRowsUncorrectable'],
  ([rows], { inventory }, { level }) => {
    const fresh = rows - (inventory.remapDays[0]?.[1] ?? rows);
    return fresh >= level ? `${fresh} more rows were remapped within a week` : null;
  },
);

const memoryUnrepairable = valueCheck(
  'memory_unrepairable',
  ['unrepairableMemory'],
  ([flag]) => (flag === 1 ? 'the driver says that the memory cannot be repaired' : null),
  { clears: never },
);

const repairPending = valueCheck(
  'repair_pending',
  ['channelRepairPending', 'tpcRepairPending'],
  ([channel, tpc]) =>
    channel === 1 || tpc === 1
      ? `a repair of a ${channel === 1 ? 'memory channel' : 'TPC'} waits for a reset`
      : null,
);

const retiredPages: DeviceCheck = {
  id: 'retired_pages',
  evaluate(view, limit) {
    const single = valueOf(view, 'retiredPagesSingleBit');
    const double = valueOf(view, 'retiredPagesDoubleBit');
    if (single === null || double === null)
      return absence(view, 'retiredPagesSingleBit', 'retiredPagesDoubleBit');
    if (!view.sample || view.sample.error) return unknown;
    const total = twoLevels(single + double, limit, `${single + double} memory pages are retired`);
    if (total.state === 'firing' || valueOf(view, 'retiredPagesPending') !== 1) return total;
    return {
      state: 'firing',
      severity: 'warning',
      action: 'reset-device',
      reason: 'a page retirement waits for a reset',
    };
  },
  clears: never,
};

/** Checksums in flash, read at the start and on request only. The kernel log may say the same. */
const inforomCorrupt = valueCheck('inforom_corrupt', ['inforomCorrupt'], ([corrupt]) =>
  corrupt === 1 ? 'a checksum of the InfoROM is wrong' : null,
);

const bar1Full: DeviceCheck = valueCheck(
  'bar1_full',
  ['bar1UsedBytes', 'bar1TotalBytes'],
  ([used, total], _, { level }) => (total > 0 && used / total > level ? 'the BAR1 window is full' : null),
  { clears: (view) => holds(view, ['bar1UsedBytes', 'bar1TotalBytes'], ([used, all]) => used < 0.9 * all) },
);

/** Memory that no listed process holds. Without the host's process ids nothing can be said. Configured: MiB. */
const orphanMemory: DeviceCheck = {
  id: 'orphan_memory',
  evaluate(view, { level }) {
    const { sample, workload } = view;
    const used = valueOf(view, 'memoryUsedBytes');
    if (!sample || used === null) return absence(view, 'memoryUsedBytes');
    if (sample.processes === null) return absence(view);
    if (!workload.seesHostPids) return unknown;
    if (sample.processes.length > 0 || used <= level * mebibyte) return ok;
    return {
      state: 'firing',
      reason: `${Math.round(used / mebibyte)} MiB of GPU memory are in use and no process holds the device`,
    };
  },
};

const memorySizeChanged = valueCheck(
  'memory_size_changed',
  ['memoryTotalBytes'],
  ([total], { inventory }, { level }) => {
    const before = inventory.memoryTotalBytes ?? total;
    return total - before < level
      ? `memory shrank from ${Math.round(before / mebibyte)} to ${Math.round(total / mebibyte)} MiB`
      : null;
  },
);

export const memoryChecks: readonly DeviceCheck[] = [
  eccDisabled,
  eccCorrectedRate,
  eccSramThreshold,
  rowRemapPending,
  rowRemapTotal,
  rowRemapBankLow,
  remapRate,
  memoryUnrepairable,
  repairPending,
  retiredPages,
  inforomCorrupt,
  bar1Full,
  orphanMemory,
  memorySizeChanged,
];
