/**
 * The names that NVIDIA's exporter gives the same numbers (public names and units of dcgm-exporter), for alerts and dashboards
 * that exist. Off by default. The labels are that exporter's too. Only what this agent reads has a series.
 */
import type { Registry } from 'prom-client';
import type { LinkReading } from '../domain/device-details.js';
import type { DeviceSample, NodeSample } from '../domain/device.js';

type Read = (device: DeviceSample) => number | null;

const mebibyte = 1024 ** 2;

const scaled = (value: number | null | undefined, factor: number): number | null =>
  value === null || value === undefined ? null : value * factor;

const allLinks =
  (column: keyof LinkReading): Read =>
  ({ parts }) => {
    const counts = (parts.links ?? []).flatMap((link) => link[column] ?? []);
    return counts.length === 0 ? null : counts.reduce((sum, count) => sum + count, 0);
  };

/** Name without its prefix, type, help, value in the exporter's unit. */
const rows: [name: string, type: 'gauge' | 'counter', help: string, read: Read][] = [
  ['SM_CLOCK', 'gauge', 'SM clock frequency (in MHz).', ({ reading }) => reading.smClockMhz],
  ['MEM_CLOCK', 'gauge', 'Memory clock frequency (in MHz).', ({ reading }) => reading.memoryClockMhz],
  ['GPU_TEMP', 'gauge', 'GPU temperature (in C).', ({ reading }) => reading.temperatureCelsius],
  ['MEMORY_TEMP', 'gauge', 'Memory temperature (in C).', ({ reading }) => reading.memoryTemperatureCelsius],
  ['POWER_USAGE', 'gauge', 'Power draw (in W).', ({ reading }) => reading.powerWatts],
  ['POWER_MGMT_LIMIT', 'gauge', 'Power limit (in W).', ({ reading }) => reading.powerLimitWatts],
  [
    'TOTAL_ENERGY_CONSUMPTION',
    'counter',
    'Energy since boot (in mJ).',
    ({ details }) => scaled(details.energyJoules, 1000),
  ],
  ['GPU_UTIL', 'gauge', 'GPU utilization (in %).', ({ reading }) => scaled(reading.gpuUtilizationRatio, 100)],
  [
    'MEM_COPY_UTIL',
    'gauge',
    'Memory utilization (in %).',
    ({ reading }) => scaled(reading.memoryUtilizationRatio, 100),
  ],
  [
    'FB_FREE',
    'gauge',
    'Framebuffer memory free (in MiB).',
    ({ reading }) => scaled(reading.memoryFreeBytes, 1 / mebibyte),
  ],
  [
    'FB_USED',
    'gauge',
    'Framebuffer memory used (in MiB).',
    ({ reading }) => scaled(reading.memoryUsedBytes, 1 / mebibyte),
  ],
  ['PCIE_REPLAY_COUNTER', 'counter', 'PCIe replays.', ({ reading }) => reading.pcieReplayCounter],
  ['PCIE_LINK_GEN', 'gauge', 'PCIe generation.', ({ reading }) => reading.pcieLinkGeneration],
  ['PCIE_LINK_WIDTH', 'gauge', 'PCIe lanes.', ({ reading }) => reading.pcieLinkWidth],
  [
    'ECC_SBE_VOL_TOTAL',
    'counter',
    'Single-bit volatile ECC errors.',
    ({ reading }) => reading.eccCorrectedVolatile,
  ],
  [
    'ECC_DBE_VOL_TOTAL',
    'counter',
    'Double-bit volatile ECC errors.',
    ({ reading }) => reading.eccUncorrectedVolatile,
  ],
  [
    'ECC_SBE_AGG_TOTAL',
    'counter',
    'Single-bit persistent ECC errors.',
    ({ details }) => details.eccCorrectedAggregate,
  ],
  [
    'ECC_DBE_AGG_TOTAL',
    'counter',
    'Double-bit persistent ECC errors.',
    ({ details }) => details.eccUncorrectedAggregate,
  ],
  [
    'RETIRED_SBE',
    'counter',
    'Pages retired for single-bit errors.',
    ({ details }) => details.retiredPagesSingleBit,
  ],
  [
    'RETIRED_DBE',
    'counter',
    'Pages retired for double-bit errors.',
    ({ details }) => details.retiredPagesDoubleBit,
  ],
  ['RETIRED_PENDING', 'counter', 'Pages pending retirement.', ({ details }) => details.retiredPagesPending],
  [
    'UNCORRECTABLE_REMAPPED_ROWS',
    'counter',
    'Rows remapped for uncorrectable errors.',
    ({ reading }) => reading.remappedRowsUncorrectable,
  ],
  [
    'CORRECTABLE_REMAPPED_ROWS',
    'counter',
    'Rows remapped for correctable errors.',
    ({ reading }) => reading.remappedRowsCorrectable,
  ],
  ['ROW_REMAP_FAILURE', 'gauge', 'Whether a row remap has failed.', ({ reading }) => reading.rowRemapFailure],
  ['ROW_REMAP_PENDING', 'gauge', 'Whether a row remap is pending.', ({ reading }) => reading.rowRemapPending],
  [
    'CLOCKS_EVENT_REASONS',
    'gauge',
    'Bit mask of clock event reasons.',
    ({ reading }) => reading.throttleReasons,
  ],
  ['POWER_VIOLATION', 'counter', 'Throttling for power (in ns).', ({ details }) => details.violationPowerNs],
  [
    'THERMAL_VIOLATION',
    'counter',
    'Throttling for heat (in ns).',
    ({ details }) => details.violationThermalNs,
  ],
  ['FAN_SPEED', 'gauge', 'Fan speed (in %).', ({ details }) => scaled(details.fanSpeedRatio, 100)],
  ['NVLINK_REPLAY_ERROR_COUNT_TOTAL', 'counter', 'NVLink replays.', allLinks('replayErrors')],
  ['NVLINK_RECOVERY_ERROR_COUNT_TOTAL', 'counter', 'NVLink recoveries.', allLinks('recoveryErrors')],
];

export class DcgmNames {
  readonly #node: string;
  readonly #sample: () => NodeSample | null;
  /** The newest code by UUID, as that exporter has it: it stays until another one comes. */
  readonly #xids = new Map<string, number>();

  constructor(registry: Registry, node: string, sample: () => NodeSample | null) {
    this.#node = node;
    this.#sample = sample;
    for (const row of rows) this.#register(registry, ...row);
    this.#register(
      registry,
      'XID_ERRORS',
      'gauge',
      'Value of the last XID error encountered.',
      ({ identity }) => this.#xids.get(identity.uuid) ?? 0,
    );
  }

  noteXid(uuid: string, code: number): void {
    this.#xids.set(uuid, code);
  }

  /** Made by hand: counters of the driver are told as they are, and prom-client's own would have to be counted up. */
  #register(registry: Registry, suffix: string, type: 'gauge' | 'counter', help: string, read: Read): void {
    const name = `DCGM_FI_DEV_${suffix}`;
    const get = async (): Promise<object> => ({
      ...{ name, help, type, aggregator: 'sum' },
      values: (this.#sample()?.devices ?? []).flatMap((device) => {
        const value = read(device);
        return value === null ? [] : [{ labels: this.#labelsOf(device), value }];
      }),
    });
    registry.registerMetric({ name, help, type, aggregator: 'sum', get, reset: () => undefined } as never);
  }

  #labelsOf({ identity }: DeviceSample): Record<string, string> {
    const { index, uuid, name, minorNumber, pciBusId } = identity;
    return {
      gpu: String(index),
      UUID: uuid,
      pci_bus_id: pciBusId.toUpperCase(),
      device: `nvidia${minorNumber ?? index}`,
      modelName: name,
      Hostname: this.#node,
    };
  }
}
