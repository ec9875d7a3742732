/** What is counted of one device over its samples, for the checks that judge more than the newest one. */
import type { DeviceParts, LinkReading } from '../domain/device-details.js';
import type { DeviceReading, DeviceSample } from '../domain/device.js';
import { CounterHistory } from './counter-history.js';
import { linkCounter } from './checks/nvlink-checks.js';
import { isBadPower } from './checks/thermal-power-checks.js';

const readingCounters = ['eccCorrectedVolatile', 'eccUncorrectedVolatile', 'pcieReplayCounter'] as const;
const detailCounters = [
  'violationPowerNs',
  'violationThermalNs',
  'throttleHwThermalNs',
  'throttlePowerBrakeNs',
  'pcieNonFatalErrors',
  'pcieFatalErrors',
  'c2cErrors',
] as const;

/** Seconds in which a bit of the throttle mask was set, by its name in the history. */
const throttleSeconds: Record<string, number> = {
  swPowerSeconds: 0x4,
  hwSlowdownSeconds: 0x8,
  hwThermalSeconds: 0x40,
  powerBrakeSeconds: 0x80,
};

const keptSweeps = 20;
/** After a gap in the samples nothing is known of the time in between. */
const longestStepMs = 5_000;

export class DeviceTrends {
  readonly history = new CounterHistory();
  #sweeps: number[] = [];
  #failedLookups = 0;
  #badPowerReadings = 0;
  #notedAtMs: number | null = null;
  #partsAtMs: number | null = null;
  #recoveries: number | null = null;

  get sweepSeconds(): readonly number[] {
    return this.#sweeps;
  }

  get failedLookups(): number {
    return this.#failedLookups;
  }

  get badPowerReadings(): number {
    return this.#badPowerReadings;
  }

  noteLookup(error: DeviceSample['error']): void {
    this.#failedLookups = error?.call === 'nvmlDeviceGetHandleByIndex_v2' ? this.#failedLookups + 1 : 0;
  }

  /** A good sample, whose readings were taken at `atMs` (monotonic). */
  note(sample: DeviceSample, before: DeviceParts, atMs: number): void {
    const { reading, details } = sample;
    const stepMs = Math.min(longestStepMs, Math.max(0, atMs - (this.#notedAtMs ?? atMs)));
    this.#notedAtMs = atMs;
    for (const name of readingCounters) this.history.note(name, reading[name], atMs);
    for (const name of detailCounters) this.history.note(name, details[name], atMs);
    this.#noteThrottling(reading, stepMs / 1000, atMs);
    this.#noteRecoveries(sample, atMs);
    if (details.fastReadSeconds !== null)
      this.#sweeps = [...this.#sweeps, details.fastReadSeconds].slice(-keptSweeps);
    this.#badPowerReadings = isBadPower(sample) ? this.#badPowerReadings + 1 : 0;
    this.#noteLinks(sample.parts, before, atMs);
  }

  clear(): void {
    this.history.clear();
    this.#sweeps = [];
    this.#failedLookups = this.#badPowerReadings = 0;
    this.#notedAtMs = this.#partsAtMs = this.#recoveries = null;
  }

  /** An idle device throttles as it likes. */
  #noteThrottling(
    { throttleReasons, gpuUtilizationRatio }: DeviceReading,
    seconds: number,
    atMs: number,
  ): void {
    if (throttleReasons === null) return;
    const busy = gpuUtilizationRatio === null || gpuUtilizationRatio > 0;
    for (const [name, bit] of Object.entries(throttleSeconds))
      this.history.add(name, busy && (throttleReasons & bit) !== 0 ? seconds : 0, atMs);
  }

  /** Retrains of the PCIe link, as far as they happened under load. */
  #noteRecoveries({ reading, details }: DeviceSample, atMs: number): void {
    const now = details.pcieRecoveryCounter;
    if (now === null) return;
    const grown = Math.max(0, now - (this.#recoveries ?? now));
    this.#recoveries = now;
    this.history.add('busyPcieRecoveries', (reading.gpuUtilizationRatio ?? 1) > 0 ? grown : 0, atMs);
  }

  /** Most counters of most links stay where they are, and have no series until they move. */
  #noteLinks(parts: DeviceParts, before: DeviceParts, atMs: number): void {
    if (parts.readNumber === before.readNumber && this.#partsAtMs !== null) return;
    const previousAtMs = this.#partsAtMs;
    this.#partsAtMs = atMs;
    parts.links?.forEach((link, n) => {
      const old = before.links?.[n];
      if (!old || previousAtMs === null) return;
      for (const column of Object.keys(link) as (keyof LinkReading)[]) {
        const name = linkCounter(n, column);
        const known = this.history.has(name);
        if (!known && link[column] === old[column]) continue;
        if (!known) this.history.note(name, old[column], previousAtMs);
        this.history.note(name, link[column], atMs);
      }
    });
  }
}
