/** Everything that health keeps of one device: identity, newest reading, conditions, cordons, and the status made of them. */
import { emptyReading, type DeviceIdentity, type DeviceSample, type DeviceStatus } from '../domain/device.js';
import type { DeviceReading, NodeSample } from '../domain/device.js';
import type { Condition, DeviceHealth } from '../domain/health.js';
import { driverEventTypes, emptyParts, type DeviceParts } from '../domain/device-details.js';
import type { Workload } from '../domain/workload.js';
import { deviceChecks } from './checks/check-registry.js';
import type { DeviceView } from './checks/device-check.js';
import { ConditionBook, type CheckSettings, type Moment } from './condition-book.js';
import { DeviceCordons, healthCordons } from './cordon-device.js';
import { deriveHealth } from './derive-health.js';
import { DeviceTrends } from './device-trends.js';
import { acceptAsIs, emptyInventory, updateInventory, type DeviceInventory } from './device-inventory.js';
import type { Evidence } from './clear-rule.js';
import { instanceStatuses } from './mig-instances.js';
import { xidChecks } from './kernel-log-checks.js';
import { RepeatMemory } from './repeat-memory.js';
import type { StoredDevice } from './stored-health.js';

const lostCode = 'NVML_ERROR_GPU_IS_LOST';

/** What the records of a node are evaluated with. */
export interface Surroundings {
  node: NodeSample;
  stuck: DeviceView['stuck'];
  sampleIntervalMs: number;
  callDeadlineMs: number;
  workload: Readonly<Workload>;
}

export class DeviceRecord {
  readonly book: ConditionBook;
  readonly cordons: DeviceCordons;
  readonly repeats: RepeatMemory;
  #identity: DeviceIdentity;
  #sample: DeviceSample | null = null;
  #previous: DeviceReading | null = null;
  #reading: DeviceReading = emptyReading;
  #parts: DeviceParts = emptyParts;
  #silent: readonly string[] = [];
  #hearsXids = true;
  readonly #trends = new DeviceTrends();
  #inventory: Readonly<DeviceInventory>;
  /** When the newest good readings were taken, monotonic ms. */
  #readAtMs: number | null = null;
  /** Age as it is told: it changes with a sample, not with every look, so that a quiet device is no news. */
  #toldAgeMs = 0;
  /** Absent or lost since it was last well. */
  #gone = false;
  #health: DeviceHealth = 'unknown';
  #healthSinceMs: number;

  constructor(
    identity: DeviceIdentity,
    wallMs: number,
    { stored, drill = false }: { stored?: StoredDevice; drill?: boolean } = {},
  ) {
    this.book = new ConditionBook(drill);
    this.#identity = identity;
    this.#healthSinceMs = wallMs;
    this.cordons = new DeviceCordons(stored?.cordons);
    this.#inventory = { ...emptyInventory, ...stored?.inventory };
    this.repeats = new RepeatMemory(stored?.repeats);
  }

  /** Counters that went backwards since this was asked last. */
  takeBackwards(): number {
    return this.#trends.history.takeBackwards();
  }

  get identity(): DeviceIdentity {
    return this.#identity;
  }

  /** Processes in a MIG instance, as the driver listed them last; `null`: not known. */
  pidsOf(gpuInstance: number): number[] | null {
    const processes = this.#sample?.processes;
    if (!processes?.some((process) => typeof process.gpuInstance === 'number')) return null;
    return processes.flatMap((process) => (process.gpuInstance === gpuInstance ? [process.pid] : []));
  }

  /** The part has used up its repairs: remapped rows, or SRAM and memory that it calls beyond repair. */
  get repairFailed(): boolean {
    const { unrepairableMemory, sramThresholdExceeded } = this.#sample?.details ?? {};
    const flags = [this.#reading.rowRemapFailure, unrepairableMemory, sramThresholdExceeded];
    return flags.some((flag) => (flag ?? 0) > 0);
  }

  /** Takes the device's part of a snapshot: new readings, and what they prove about repairs. */
  update(sample: DeviceSample | null, node: NodeSample, stuck: boolean, wallMs: number): void {
    const absent = sample === null && node.driver.state === 'ok' && !stuck;
    if (absent || sample?.error?.code === lostCode) this.#gone = true;
    this.#sample = sample;
    if (!sample) return;
    // A serial number that could not be read this time is no other part.
    const serial = sample.identity.serial ?? this.#identity.serial;
    if (this.#identity.serial !== null && serial !== this.#identity.serial) this.#becomeAnother();
    this.#identity = { ...sample.identity, serial };
    if (!stuck) this.#trends.noteLookup(sample.error);
    if (sample.error || stuck) return;
    if (this.#gone) this.#repairedBy('device-returned');
    this.#gone = false;
    this.#previous = this.#readAtMs === null ? null : this.#reading;
    if (wentDown(this.#previous, sample.reading)) this.#repairedBy('counter-restarted');
    this.#reading = sample.reading;
    const readAtMs = node.takenAtMs - sample.ageMs;
    if (readAtMs !== this.#readAtMs) this.#trends.note(sample, this.#parts, readAtMs);
    this.#readAtMs = readAtMs;
    this.#parts = sample.parts;
    this.#noteEventTypes(sample.details.eventTypes);
    this.#inventory = updateInventory(this.#inventory, sample, uuidAt(node), wallMs);
    this.#toldAgeMs = Math.round(sample.ageMs);
  }

  /** A cached value must not look fresh: called while no sample comes. */
  refreshAge(nowMs: number): void {
    this.#toldAgeMs = Math.round(this.#ageMs(nowMs) ?? 0);
  }

  /** The driver was released and is open again; when it still asks for a recovery action, nothing was repaired. */
  driverReopened(): void {
    if ((this.#reading.recoveryAction ?? 0) === 0) this.#repairedBy('driver-reopened');
  }

  #repairedBy(evidence: Evidence): void {
    this.book.clearBy(evidence);
    this.repeats.noteRepaired();
  }

  /** Runs the checks; returns the conditions that are new or got worse. */
  evaluate(around: Surroundings | null, settings: CheckSettings, at: Moment): Condition[] {
    if (!around) return [];
    const { node, ...rest } = around;
    const view: DeviceView = {
      ...rest,
      identity: this.#identity,
      driver: node.driver,
      sample: this.#sample,
      previous: this.#previous,
      sampleAgeMs: this.#ageMs(at.nowMs),
      history: this.#trends.history,
      inventory: this.#inventory,
      sweepSeconds: this.#trends.sweepSeconds,
      failedLookups: this.#trends.failedLookups,
      badPowerReadings: this.#trends.badPowerReadings,
      siblings: node.devices,
    };
    return this.book.evaluate(deviceChecks.values(), view, settings, this.#readAtMs, at);
  }

  /** Checks whose source is missing here; empty while the kernel log is read. */
  setSilent(checks: readonly string[]): void {
    this.#silent = checks;
    const alsoXids = checks.length > 0 && !this.#hearsXids;
    this.book.setSilent(alsoXids ? [...checks, ...xidChecks] : checks);
  }

  /** An operator takes what there is now for what there should be. */
  accept(check: string): void {
    this.#inventory = acceptAsIs(this.#inventory, check);
  }

  /** One reading is compared with the one before exactly once: a second look must not see the same step again. */
  settle(): void {
    if (this.#readAtMs !== null) this.#previous = this.#reading;
  }

  status(unknownReason: string | null, at: Moment): DeviceStatus {
    const held = this.book.held();
    const conditions = held.map((h) => h.condition);
    const unknown = unknownReason ?? (this.#readAtMs === null ? 'no sample yet' : null);
    const { health, severity, action, reason } = deriveHealth(conditions, unknown);
    if (health !== this.#health) this.#healthSinceMs = at.wallMs;
    this.#health = health;
    return {
      identity: this.#identity,
      health,
      healthSinceMs: this.#healthSinceMs,
      severity,
      action,
      reason,
      conditions,
      unsupportedChecks: this.book.unsupported(),
      ...(this.#parts.migs === null
        ? {}
        : { instances: instanceStatuses(this.#parts.migs, conditions, unknown) }),
      cordons: [...this.cordons.set, ...healthCordons(held)],
      reading: this.#reading,
      sampleAgeMs: this.#toldAgeMs,
    };
  }

  stored(): StoredDevice {
    return {
      identity: this.#identity,
      inventory: this.#inventory,
      cordons: [...this.cordons.set],
      conditions: this.book.stored(),
      ...(this.repeats.isEmpty ? {} : { repeats: this.repeats.stored() }),
    };
  }

  /** Without the kernel log, a device whose driver sends no Xids has nobody who tells of them. */
  #noteEventTypes(types: number | null): void {
    const hears = types === null || (types & driverEventTypes.xid) !== 0;
    if (hears === this.#hearsXids) return;
    this.#hearsXids = hears;
    this.setSilent(this.#silent);
  }

  /** Another part stands in the same place. */
  #becomeAnother(): void {
    this.book.clearAll();
    this.#trends.clear();
    this.#inventory = emptyInventory;
    this.#parts = emptyParts;
  }

  #ageMs(nowMs: number): number | null {
    return this.#readAtMs === null ? null : nowMs - this.#readAtMs;
  }
}

function uuidAt({ devices }: NodeSample): (index: number) => string | null {
  return (index) => devices.find(({ identity }) => identity.index === index)?.identity.uuid ?? null;
}

/** A volatile counter that went down: the device was reset. */
function wentDown(before: DeviceReading | null, now: DeviceReading): boolean {
  const old = before?.eccUncorrectedVolatile ?? null;
  return old !== null && now.eccUncorrectedVolatile !== null && now.eccUncorrectedVolatile < old;
}
