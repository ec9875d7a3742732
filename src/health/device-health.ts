/**
 * The health of every device of the node. Samples and events come in; statuses and faults go out, synchronously and in that
 * order, so that by the time somebody acts on a fault the cordon is visible everywhere. The only state with a life of its
 * own is the list of devices: it is kept on disk, so that a device that is missing after a reboot still has a name.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Cordon } from '../domain/cordon.js';
import type { DeviceEvent, DeviceStatus, DriverState, NodeSample } from '../domain/device.js';
import { InfernodeError } from '../domain/error-codes.js';
import { largerAction, type Action, type Condition, type Fault } from '../domain/health.js';
import type { HistorySource } from '../domain/history.js';
import type { KernelRecord } from '../domain/kernel-log.js';
import { BoundedQueue } from '../runtime/bounded-queue.js';
import type { Clock, Timer } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import { classifyFault, type ClassifiedFault, type FaultContext } from './classify-fault.js';
import { faultOfCheck } from './classify-finding.js';
import { ConditionBook, type CheckSettings, type Moment } from './condition-book.js';
import { checkOfHolder, healthCordons } from './cordon-device.js';
import { healthOfCondition } from './derive-health.js';
import { noWorkload, type Workload } from '../domain/workload.js';
import { DeviceRecord, type Surroundings } from './device-record.js';
import type { StoredHealth } from './stored-health.js';
import type { HealthMetrics } from './health-metrics.js';
import { hostChecks } from './checks/host-checks.js';
import { HostHealth } from './host-health.js';
import type { HostReadings } from '../domain/host-readings.js';
import type { HealthHistory } from './health-history.js';
import { FaultRecorder } from './record-faults.js';
import { IncidentMemory } from './incident-memory.js';
import { KernelLogIntake, noHostView, type HostView, type KernelOutcome } from './kernel-log-intake.js';

export interface DeviceHealthOptions {
  clock: Clock;
  logger: Logger;
  metrics: HealthMetrics;
  history: HealthHistory;
  sampleIntervalMs: number;
  settings: CheckSettings;
  bootId: string;
  restored: StoredHealth | null;
  /** Bridges and engines, where somebody can tell. */
  host?: HostView;
  /** All devices, after each change. Called before the fault that caused the change is announced. */
  onDevices(devices: DeviceStatus[]): void;
  onFault(fault: Fault): void;
  /** What must survive a restart has changed. */
  onStore(stored: StoredHealth): void;
}

type Stuck = NodeSample['stuck'][number];

/** Faults of devices that no sample has shown yet. */
const maxEarlyFaults = 64;

export class DeviceHealthTracker {
  readonly #options: DeviceHealthOptions;
  readonly #records = new Map<string, DeviceRecord>();
  readonly #early = new BoundedQueue<ClassifiedFault>(maxEarlyFaults);
  readonly #incidents = new IncidentMemory();
  readonly #recorder: FaultRecorder;
  readonly #owners: HostView;
  readonly #kernelLog: KernelLogIntake;
  /** Conditions that no single device has. */
  readonly #nodeBook = new ConditionBook();
  readonly #host: HostHealth;
  #settings: CheckSettings;
  #node: NodeSample | null = null;
  #workload: Readonly<Workload> = noWorkload;
  #driverWasOpen = false;
  #driverWasReleased = false;
  #devices: DeviceStatus[] = [];
  #toldNode: Condition[] = [];
  #stored: StoredHealth;
  #timer: Timer | null = null;

  constructor(options: DeviceHealthOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#recorder = new FaultRecorder(options.logger, options.history);
    this.#owners = options.host ?? noHostView;
    this.#stored = { bootId: options.bootId, devices: [] };
    const sameBoot = options.restored?.bootId === options.bootId;
    this.#kernelLog = new KernelLogIntake({
      seen: (sameBoot ? options.restored?.kernelLogSeen : undefined) ?? -1,
      host: this.#owners,
      devices: () => [...this.#records.values()].map(({ identity }) => identity),
    });
    this.#host = new HostHealth(options.restored?.rdmaPorts);
    this.#restore(options.restored, sameBoot);
    this.#devices = this.#statuses();
  }

  /** Looks once per sampling interval whether samples still come. */
  start(): void {
    this.#timer ??= this.#options.clock.every(this.#options.sampleIntervalMs, () => this.tick());
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  get devices(): readonly DeviceStatus[] {
    return this.#devices;
  }

  /** Of the node as a whole, worst first. */
  get nodeConditions(): Condition[] {
    return this.#nodeBook.held().map(({ condition }) => condition);
  }

  /** A fatal switch error takes every GPU behind the fabric out of service. */
  get nodeCordons(): Cordon[] {
    return healthCordons(this.#nodeBook.held().filter(({ condition }) => condition.check === 'sxid'));
  }

  handleSample(sample: NodeSample): void {
    this.#node = sample;
    const byUuid = new Map(sample.devices.map((device) => [device.identity.uuid, device]));
    for (const device of sample.devices)
      if (!this.#records.has(device.identity.uuid))
        this.#add(new DeviceRecord(device.identity, this.#now().wallMs));
    for (const [uuid, record] of this.#records)
      record.update(byUuid.get(uuid) ?? null, sample, this.#stuckOf(uuid) !== null, this.#now().wallMs);
    this.#noteDriver(sample.driver);
    for (const [uuid, { reading }] of byUuid)
      if (reading.recoveryAction !== null)
        this.#incidents.noteRecoveryAction(uuid, reading.recoveryAction, sample.takenAtMs);
    const faults = this.#evaluate();
    for (const record of this.#records.values()) record.settle();
    this.#announce(faults);
    if (sample.driver.state === 'ok' || sample.driver.state === 'no-device')
      for (const outcome of this.#kernelLog.open(this.#settings)) this.#take(outcome);
  }

  /** A record of the kernel log; what was acted on before is not again. */
  handleKernelRecord(record: KernelRecord): void {
    const { seen } = this.#kernelLog;
    for (const outcome of this.#kernelLog.take(record, this.#settings)) this.#take(outcome);
    if (this.#kernelLog.seen !== seen) this.#store();
  }

  /** The log began anew: sequence numbers start over. */
  kernelLogRestarted(): void {
    this.#kernelLog.restart();
  }

  /** Records were lost; an Xid may have been among them. */
  kernelRecordsLost(lost: number): void {
    const reason = `${lost} records of the kernel log were lost`;
    this.#take({
      kind: 'fault',
      fault: faultOfCheck('kmsg_overrun', reason, reason, this.#now().nowMs),
      drill: false,
    });
  }

  /** Waiting for the driver's events fails, or a new event set is registered. */
  eventSetBroken(broken: boolean): void {
    if (broken) {
      const reason =
        'waiting for events of the driver fails; faults are seen in readings and the kernel log only';
      const fault = faultOfCheck('event_set_broken', reason, 'nvmlEventSetWait_v2', this.#now().nowMs);
      this.#take({ kind: 'fault', fault, drill: false });
      return;
    }
    this.#nodeBook.clear('event_set_broken');
    this.#announce([]);
  }

  #take(outcome: KernelOutcome): void {
    if (outcome.kind === 'event') {
      this.handleEvent(outcome.event);
      return;
    }
    const fault = { ...outcome.fault, drill: outcome.drill };
    this.#tell([fault], fault.check === 'event_set_broken' ? 'agent' : 'kmsg');
  }

  /** New faults: recorded, held, announced. */
  #tell(faults: readonly ClassifiedFault[], source: HistorySource): void {
    for (const fault of faults) {
      const engine = fault.pid === null ? null : (this.#owners.engineOf(fault.pid)?.engineId ?? null);
      this.#recorder.note(fault, { source, basis: fault.basis, engine });
      this.#hold(fault);
    }
    this.#announce(faults.filter((fault) => !this.#isDisabled(fault)));
  }

  handleEvent(event: DeviceEvent): void {
    const uuid = event.deviceUuid;
    const fault = classifyFault(event, this.#contextOf(event));
    if (fault.basis === 'recovery-action' && uuid !== null && event.kind === 'recovery-action')
      this.#incidents.noteRecoveryAction(uuid, event.code, event.receivedAtMs);
    if (this.#incidents.isSecondSource(event)) {
      // The kernel log tells more than NVML about the same event: keep its verdict, count once.
      if (event.text !== null) this.#hold({ ...fault, action: this.#actionHeld(fault) });
      this.#recorder.confirmed(fault, event.source);
      this.#announce([]);
      return;
    }
    this.#options.metrics.countEvent(uuid ?? '', fault.xid);
    const { wallMs, nowMs } = this.#now();
    const atWallMs = wallMs - Math.max(0, nowMs - event.receivedAtMs);
    const repeats = uuid === null ? undefined : this.#records.get(uuid)?.repeats;
    this.#tell(repeats?.note(fault, atWallMs, this.#settings) ?? [fault], event.source);
  }

  /** A fault that had climbed the ladder stays where it is when the second source tells of it. */
  #actionHeld({ deviceUuid, xid, action }: ClassifiedFault): Action {
    const book = deviceUuid === null ? undefined : this.#records.get(deviceUuid)?.book;
    const held = book?.held().find(({ code, condition }) => code === xid && condition.check === 'xid');
    return largerAction(held?.condition.action ?? 'none', action);
  }

  /** Time passes: samples get old, quiet conditions go. */
  tick(): void {
    const { nowMs } = this.#now();
    const late = nowMs - (this.#node?.takenAtMs ?? nowMs) > 2 * this.#options.sampleIntervalMs;
    this.#nodeBook.clearQuiet(nowMs);
    for (const record of this.#records.values()) {
      record.book.clearQuiet(nowMs);
      if (late) record.refreshAge(nowMs);
    }
    const faults = this.#evaluate();
    this.#announce(faults, true);
  }

  /** The engines on these devices have started anew: what only hurt the old ones is over. */
  noteEngineRestarted(uuids: readonly string[]): void {
    for (const uuid of uuids) this.#records.get(uuid)?.book.clearBy('engine-restarted');
    this.#announce([]);
  }

  /** What the engines do; it is looked at with the next sample. */
  handleWorkload(workload: Readonly<Workload>): void {
    this.#workload = workload;
  }

  /** What was read of the host; it is judged with the next sample. */
  handleHost(host: Readonly<HostReadings>): void {
    this.#host.take(host);
  }

  /** Checks of the node that have no source on this host. */
  get unsupportedNodeChecks(): readonly string[] {
    return this.#nodeBook.unsupported();
  }

  /** New limits hold from the next sample on. */
  reconfigure(settings: CheckSettings): void {
    this.#settings = settings;
  }

  /** Throws `device-unknown`. */
  cordonDevice(ref: string, holder: string, reason: string): DeviceStatus {
    const record = this.#find(ref);
    record.cordons.add({ holder, reason, sinceMs: this.#now().wallMs });
    this.#announce([]);
    return this.#statusOf(record);
  }

  /**
   * Removes the holder's entry. With `health:<check>` the operator acknowledges the condition; acknowledging
   * `gpu_missing` accepts that the device is gone for good.
   */
  uncordonDevice(ref: string, holder: string): DeviceStatus {
    const record = this.#find(ref);
    const check = checkOfHolder(holder);
    if (check === null) record.cordons.remove(holder);
    else if (record.book.acknowledge(check)) this.#afterAcknowledgement(record, check, holder);
    this.#announce([]);
    return this.#statusOf(record);
  }

  /**
   * An operator takes the responsibility for a condition; `device` is a UUID or an index, or empty for the node as a whole. A check that
   * still sees the cause fires again with the next sample. Throws `device-unknown`; `argument-invalid` when it does not fire.
   */
  acknowledge(device: string, check: string, by: string): void {
    const record = device === '' ? null : this.#find(device);
    if (!(record?.book ?? this.#nodeBook).acknowledge(check))
      throw new InfernodeError(
        'argument-invalid',
        `expected a check that fires on ${device === '' ? 'the node' : `device ${device}`}, got "${check}"`,
      );
    if (record) this.#afterAcknowledgement(record, check, by);
    else this.#recorder.acknowledged(null, check, by);
    this.#announce([]);
  }

  /** The device that a UUID or an index means; throws `device-unknown`. */
  deviceOf(ref: string): DeviceStatus {
    return this.#statusOf(this.#find(ref));
  }

  #afterAcknowledgement(record: DeviceRecord, check: string, by: string): void {
    const { uuid } = record.identity;
    record.accept(check);
    record.repeats.forget(check);
    this.#recorder.acknowledged(uuid, check, by);
    if (check === 'gpu_missing') this.#records.delete(uuid);
  }

  #restore(restored: StoredHealth | null, sameBoot: boolean): void {
    const now = this.#now();
    this.#nodeBook.restore(restored?.node ?? [], sameBoot, now);
    for (const stored of restored?.devices ?? []) {
      const record = new DeviceRecord(stored.identity, now.wallMs, stored);
      record.book.restore(stored.conditions, sameBoot, now);
      if (!sameBoot) record.repeats.noteRepaired();
      this.#records.set(stored.identity.uuid, record);
    }
  }

  #add(record: DeviceRecord): void {
    const { uuid } = record.identity;
    this.#records.set(uuid, record);
    for (let left = this.#early.size; left > 0; left--) {
      const fault = this.#early.shift();
      if (fault?.deviceUuid === uuid) record.book.hold(fault, this.#now());
      else if (fault) this.#early.push(fault);
    }
  }

  #hold(fault: ClassifiedFault): void {
    if (this.#isDisabled(fault)) return;
    if (fault.deviceUuid === null) {
      this.#nodeBook.hold(fault, this.#now());
      return;
    }
    const record = this.#records.get(fault.deviceUuid);
    if (record) record.book.hold(fault, this.#now());
    else this.#early.push(fault);
  }

  /** A check that is switched off is counted and logged, and nothing is done about it. */
  #isDisabled({ check }: Fault): boolean {
    return this.#settings[check]?.enabled === false;
  }

  #noteDriver({ state }: DriverState): void {
    // Nobody can unload the driver while our sampler holds it, so that only a release of an open one counts: a sampler that
    // was restarted, or whose first call hung, has reset nothing.
    if (state === 'released') this.#driverWasReleased ||= this.#driverWasOpen;
    if (state !== 'ok') return;
    this.#nodeBook.clear('driver_version_mismatch');
    if (this.#driverWasReleased) for (const record of this.#records.values()) record.driverReopened();
    this.#driverWasOpen = true;
    this.#driverWasReleased = false;
  }

  #evaluate(): Fault[] {
    const at = this.#now();
    const faults: Fault[] = [];
    for (const [uuid, record] of this.#records) {
      const fired = record.evaluate(this.#surroundingsOf(uuid), this.#settings, at);
      for (const condition of fired) faults.push(faultOfCondition(uuid, condition, at.nowMs));
    }
    faults.push(...this.#evaluateNode(at));
    for (const fault of faults)
      this.#recorder.note(fault, { source: 'reading', basis: 'reading', engine: null });
    return faults;
  }

  /** A fault of the node moves no work by itself: what it means for a device is the device's own condition. */
  #evaluateNode(at: Moment): Fault[] {
    if (!this.#node) return [];
    const addresses = new Set([...this.#records.values()].map(({ identity }) => identity.pciBusId));
    const view = this.#host.view(this.#node, addresses, at.nowMs);
    const fired = this.#nodeBook.evaluate(hostChecks, view, this.#settings, this.#node.takenAtMs, at);
    return fired.map((condition) => ({ ...faultOfCondition(null, condition, at.nowMs), drain: 'none' }));
  }

  #surroundingsOf(uuid: string): Surroundings | null {
    const { sampleIntervalMs } = this.#options;
    const node = this.#node;
    return node && { node, stuck: this.#stuckOf(uuid), sampleIntervalMs, workload: this.#workload };
  }

  /** Statuses first, then faults. A tick that changed nothing but ages says nothing. */
  #announce(faults: readonly Fault[], quietly = false): void {
    const devices = this.#statuses();
    const node = this.nodeConditions;
    const changed =
      !quietly ||
      faults.length > 0 ||
      !isDeepStrictEqual(node, this.#toldNode) ||
      !isDeepStrictEqual(ageless(devices), ageless(this.#devices));
    if (changed) {
      this.#recorder.compare({ devices: this.#devices, node: this.#toldNode }, { devices, node });
      this.#toldNode = node;
      this.#devices = devices;
      this.#options.metrics.show(devices);
      this.#options.metrics.showNode(node, this.unsupportedNodeChecks);
      this.#options.onDevices(devices);
      this.#store();
    }
    for (const fault of faults) {
      this.#options.metrics.countFault(fault.deviceUuid ?? '', fault.severity);
      this.#options.onFault(fault);
    }
  }

  #store(): void {
    const devices = [...this.#records.values()].map((record) => record.stored());
    const stored: StoredHealth = {
      bootId: this.#options.bootId,
      devices,
      node: this.#nodeBook.stored(),
      kernelLogSeen: this.#kernelLog.seen,
      rdmaPorts: this.#host.expectedPorts,
    };
    if (isDeepStrictEqual(stored, this.#stored)) return;
    this.#stored = stored;
    this.#options.onStore(stored);
  }

  #statuses(): DeviceStatus[] {
    return [...this.#records.values()]
      .map((record) => this.#statusOf(record))
      .sort((a, b) => a.identity.index - b.identity.index || a.identity.uuid.localeCompare(b.identity.uuid));
  }

  #statusOf(record: DeviceRecord): DeviceStatus {
    return record.status(this.#unknownReason(record.identity.uuid), this.#now());
  }

  /** Why nothing can be said of the device now, or `null`. */
  #unknownReason(uuid: string): string | null {
    if (!this.#node) return 'no sample yet';
    const { driver } = this.#node;
    if (driver.state !== 'ok') return `driver ${driver.state}: ${driver.reason}`;
    const stuck = this.#stuckOf(uuid);
    return stuck ? `the driver call ${stuck.call} has not returned` : null;
  }

  /** A call without a device hangs in the driver as a whole, and speaks for every device. */
  #stuckOf(uuid: string): Stuck | null {
    const calls = this.#node?.stuck ?? [];
    return (
      calls.find((call) => call.deviceUuid === uuid) ??
      calls.find((call) => call.deviceUuid === null && this.#isIndexOf(call.deviceIndex, uuid)) ??
      null
    );
  }

  #isIndexOf(index: number | null, uuid: string): boolean {
    return index === null || this.#records.get(uuid)?.identity.index === index;
  }

  #contextOf(event: DeviceEvent): FaultContext {
    const uuid = event.deviceUuid;
    const status = this.#devices.find((device) => device.identity.uuid === uuid);
    const driver = this.#node?.driver;
    return {
      recoveryAction: uuid === null ? null : this.#incidents.recoveryAction(uuid, event.receivedAtMs),
      repairFailed: (status?.reading.rowRemapFailure ?? 0) > 0,
      driverBranch: driver?.state === 'ok' ? Number.parseInt(driver.driverVersion, 10) || null : null,
    };
  }

  /** By UUID, else by index among the devices that the driver lists now, else among all that are known. */
  #find(ref: string): DeviceRecord {
    const byUuid = this.#records.get(ref);
    if (byUuid) return byUuid;
    const index = /^\d{1,4}$/.test(ref) ? Number(ref) : -1;
    const listed = this.#node?.devices.find((device) => device.identity.index === index)?.identity.uuid;
    const known = [...this.#records.values()].find((record) => record.identity.index === index);
    const record = listed === undefined ? known : this.#records.get(listed);
    if (record) return record;
    throw new InfernodeError(
      'device-unknown',
      `expected a UUID or an index of a device of this node, got "${ref.slice(0, 80)}"`,
    );
  }

  #now(): Moment {
    const { clock } = this.#options;
    return { nowMs: clock.monotonicMs(), wallMs: clock.wallMs() };
  }
}

function faultOfCondition(deviceUuid: string | null, condition: Condition, observedAtMs: number): Fault {
  const { check, severity, action, advice, reason } = condition;
  return {
    check,
    deviceUuid,
    xid: null,
    severity,
    action,
    advice,
    drain: healthOfCondition(condition) === 'unhealthy' ? 'drain-now' : 'none',
    reason,
    evidence: reason,
    pid: null,
    observedAtMs,
  };
}

function ageless(devices: readonly DeviceStatus[]): DeviceStatus[] {
  return devices.map((device) => ({ ...device, sampleAgeMs: 0 }));
}
