/** The PCIe link of a device: width, speed, replays, retrains, errors. */
import { hourMs, minuteMs, type DeviceCheck } from './device-check.js';
import { valueCheck } from './read-values.js';

const dayMs = 24 * hourMs;

/** A link does not narrow when idle. Boards may be wired narrower than the part: the inventory knows what was there. */
const pcieWidth = valueCheck(
  'pcie_width',
  ['pcieLinkWidth', 'pcieLinkWidthMax'],
  ([now, most], { inventory }) => {
    const wanted = Math.min(most, inventory.pcieLinkWidth ?? most);
    return now < wanted ? `the PCIe link has ${now} of ${wanted} lanes` : null;
  },
);

/** An idle device lowers the speed on purpose, so that only one in P0 that does something is judged. */
const pcieSpeed = valueCheck(
  'pcie_speed',
  ['pcieLinkGeneration', 'pcieLinkGenerationMax', 'performanceState'],
  ([now, most, state], { sample }) =>
    state === 0 && (sample?.reading.gpuUtilizationRatio ?? 1) > 0 && now < most
      ? `the PCIe link runs at generation ${now} of ${most}`
      : null,
);

/** Per lane and minute, by generation, from the bit-error rate that PCIe allows. Configured: for all generations. */
const pcieReplayRate = valueCheck(
  'pcie_replay_rate',
  ['pcieReplayCounter', 'pcieLinkWidth', 'pcieLinkGeneration'],
  ([, lanes, generation], { history }, { configured, row }) => {
    const byGeneration = row.threshold.value as Record<string, number>;
    const limit = configured ?? byGeneration[`gen${generation}`] ?? Math.max(...Object.values(byGeneration));
    const perLane = (history.perMinute('pcieReplayCounter', minuteMs) ?? 0) / Math.max(lanes, 1);
    return perLane > limit ? `more than ${limit} PCIe replays per lane and minute` : null;
  },
  { clearAfterMs: hourMs },
);

/** Speed changes on idle count too: only growth under load is looked at (`device-record.ts`). Configured: per hour. */
const pcieRecoveryRate = valueCheck(
  'pcie_recovery_rate',
  ['pcieRecoveryCounter'],
  (_, { history }, { level }) =>
    (history.growth('busyPcieRecoveries', hourMs) ?? 0) > level
      ? `the PCIe link was retrained more than ${level} times within an hour under load`
      : null,
  { clearAfterMs: hourMs },
);

const pcieFatalErrors = valueCheck(
  'pcie_fatal_errors',
  ['pcieFatalErrors', 'pcieNonFatalErrors'],
  (_, { history }, { level }) => {
    const fresh =
      (history.growth('pcieFatalErrors', minuteMs) ?? 0) +
      (history.growth('pcieNonFatalErrors', minuteMs) ?? 0);
    return fresh > level ? `${fresh} new PCIe fatal or non-fatal errors` : null;
  },
  { clearAfterMs: dayMs },
);

export const pcieChecks: readonly DeviceCheck[] = [
  pcieWidth,
  pcieSpeed,
  pcieReplayRate,
  pcieRecoveryRate,
  pcieFatalErrors,
];
