/**
 * The health of every device of the node. Samples and events come in; statuses and faults go out, synchronously and in that
 * order, so that by the time somebody acts on a fault the cordon is visible everywhere.
 */
import type { Cordon } from '../domain/cordon.js';
import type { DeviceEvent, DeviceStatus, DriverState, NodeSample } from '../domain/device.js';
import { InfernodeError } from '../domain/error-codes.js';
import type { Condition, Fault } from '../domain/health.js';
import type { HostReadings } from '../domain/host-readings.js';
import type { KernelLogStatus, KernelRecord } from '../domain/kernel-log.js';
import { noWorkload, type Workload } from '../domain/workload.js';
import type { Clock, Timer } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import { HealthAnnouncer, type HealthAnnouncerOptions } from './announce-health.js';
import { limitOf } from './check-limit.js';
import { hostChecks } from './checks/host-checks.js';
import type { CheckSettings, Moment } from './condition-book.js';
import { checkOfHolder, healthCordons } from './cordon-device.js';
import { faultOfCondition } from './fault-of-condition.js';
import type { DeviceRecord, Surroundings } from './device-record.js';
import { DeviceRoster } from './device-roster.js';
import { FaultEar } from './hear-faults.js';
import type { HealthHistory } from './health-history.js';
import type { HealthMetrics } from './health-metrics.js';
import { HostHealth } from './host-health.js';
import { kernelLogChecks } from './kernel-log-checks.js';
import { noHostView, type HostView } from './kernel-log-intake.js';
import { FaultRecorder } from './record-faults.js';
import type { StoredHealth } from './stored-health.js';

export interface DeviceHealthOptions extends Pick<
  HealthAnnouncerOptions,
  'onDevices' | 'onFault' | 'onStore'
> {
  clock: Clock;
  logger: Logger;
  metrics: HealthMetrics;
  history: HealthHistory;
  sampleIntervalMs: number;
  /** A driver call that takes longer hangs; default 0, nobody watches. */
  callDeadlineMs?: number;
  /** Everything that is read on this node is a rehearsal. */
  drill?: boolean;
  settings: CheckSettings;
  bootId: string;
  restored: StoredHealth | null;
  /** Bridges and engines, where somebody can tell. */
  host?: HostView;
}

/** Sampling intervals without a sample after which the age of the last one is told. */
const lateIntervals = 2;

export class DeviceHealthTracker {
  readonly #options: DeviceHealthOptions;
  readonly #roster: DeviceRoster;
  readonly #recorder: FaultRecorder;
  readonly #ear: FaultEar;
  readonly #host: HostHealth;
  readonly #announcer: HealthAnnouncer;
  #settings: CheckSettings;
  #workload: Readonly<Workload> = noWorkload;
  #kernelLog: KernelLogStatus['state'] = 'waiting';
  #driverWasOpen = false;
  #driverWasReleased = false;
  #timer: Timer | null = null;

  constructor(options: DeviceHealthOptions) {
    const { restored, bootId, logger, history, metrics } = options;
    this.#options = options;
    this.#settings = options.settings;
    const sameBoot = restored?.bootId === bootId;
    this.#roster = new DeviceRoster(restored, sameBoot, this.#now(), options.drill ?? false);
    this.#recorder = new FaultRecorder(logger, history);
    this.#host = new HostHealth(restored?.rdmaPorts);
    this.#ear = new FaultEar({
      ...{ roster: this.#roster, recorder: this.#recorder, metrics },
      owners: options.host ?? noHostView,
      settings: () => this.#settings,
      now: () => this.#now(),
      drill: options.drill ?? false,
      kernelLogSeen: (sameBoot ? restored?.kernelLogSeen : undefined) ?? -1,
      onFaults: (faults) => this.#announcer.announce(faults),
    });
    this.#announcer = new HealthAnnouncer({
      ...options,
      ...{ roster: this.#roster, recorder: this.#recorder },
      now: () => this.#now(),
      beside: () => ({ kernelLogSeen: this.#ear.kernelLogSeen, rdmaPorts: this.#host.expectedPorts }),
    });
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
    return this.#announcer.devices;
  }

  /** Of the node as a whole, worst first. */
  get nodeConditions(): Condition[] {
    return this.#roster.nodeConditions;
  }

  /** A fatal switch error takes every GPU behind the fabric out of service. */
  get nodeCordons(): Cordon[] {
    return healthCordons(this.#roster.nodeBook.held().filter(({ condition }) => condition.check === 'sxid'));
  }

  handleSample(sample: NodeSample): void {
    this.#roster.take(sample, this.#now());
    this.#noteDriver(sample.driver);
    this.#ear.noteRecoveryActions(sample);
    const faults = this.#evaluate();
    let backwards = this.#host.takeBackwards();
    for (const record of this.#roster.records.values()) {
      record.settle();
      backwards += record.takeBackwards();
    }
    this.#options.metrics.countBackwards(backwards);
    this.#announcer.announce(faults);
    if (sample.driver.state === 'ok' || sample.driver.state === 'no-device') this.#ear.openKernelLog();
  }

  /** A record of the kernel log; what was acted on before is not again. */
  handleKernelRecord(record: KernelRecord): void {
    const { kernelLogSeen } = this.#ear;
    this.#ear.kernelRecord(record);
    if (this.#ear.kernelLogSeen !== kernelLogSeen) this.#announcer.store();
  }

  /** The log began anew: sequence numbers start over. */
  kernelLogRestarted(): void {
    this.#ear.kernelLogRestarted();
  }

  /** Without the log, what only it can tell has no source. */
  kernelLogIs(state: KernelLogStatus['state']): void {
    if (state === this.#kernelLog) return;
    this.#kernelLog = state;
    this.#silence();
    this.#announcer.announce([]);
  }

  /** Records were lost; an Xid may have been among them. */
  kernelRecordsLost(lost: number): void {
    if (lost <= limitOf('kmsg_overrun', this.#settings).level) return;
    const reason = `${lost} records of the kernel log were lost`;
    this.#ear.sourceFailed('kmsg_overrun', reason, reason);
  }

  /** Waiting for the driver's events fails, or a new event set is registered. */
  eventSetBroken(broken: boolean): void {
    if (broken) {
      const reason =
        'waiting for events of the driver fails; faults are seen in readings and the kernel log only';
      this.#ear.sourceFailed('event_set_broken', reason, 'nvmlEventSetWait_v2');
      return;
    }
    this.#roster.nodeBook.clear('event_set_broken');
    this.#announcer.announce([]);
  }

  handleEvent(event: DeviceEvent): void {
    this.#ear.event(event);
  }

  /** Time passes: quiet conditions go, and samples that do not come get old. Checks look at time with each sample, and here only without one. */
  tick(): void {
    const { nowMs } = this.#now();
    const late =
      nowMs - (this.#roster.node?.takenAtMs ?? nowMs) > lateIntervals * this.#options.sampleIntervalMs;
    let cleared = this.#roster.nodeBook.clearQuiet(nowMs);
    for (const record of this.#roster.records.values()) {
      cleared = record.book.clearQuiet(nowMs) || cleared;
      if (late) record.refreshAge(nowMs);
    }
    if (late) this.#announcer.announce(this.#evaluate(), true);
    else if (cleared) this.#announcer.announce([]);
  }

  /** The engines on these devices have started anew: what only hurt the old ones is over. */
  noteEngineRestarted(uuids: readonly string[]): void {
    for (const uuid of uuids) this.#roster.records.get(uuid)?.book.clearBy('engine-restarted');
    this.#announcer.announce([]);
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
    return this.#roster.nodeBook.unsupported();
  }

  /** New limits hold from the next sample on. */
  reconfigure(settings: CheckSettings): void {
    this.#settings = settings;
    this.#silence();
  }

  /** Throws `device-unknown`. */
  cordonDevice(ref: string, holder: string, reason: string): DeviceStatus {
    const record = this.#roster.find(ref);
    record.cordons.add({ holder, reason, sinceMs: this.#now().wallMs });
    this.#announcer.announce([]);
    return this.#roster.statusOf(record, this.#now());
  }

  /**
   * Removes the holder's entry. With `health:<check>` the operator acknowledges the condition; acknowledging
   * `gpu_missing` accepts that the device is gone for good.
   */
  uncordonDevice(ref: string, holder: string): DeviceStatus {
    const record = this.#roster.find(ref);
    const check = checkOfHolder(holder);
    if (check === null) record.cordons.remove(holder);
    else if (record.book.acknowledge(check)) this.#afterAcknowledgement(record, check, holder);
    this.#announcer.announce([]);
    return this.#roster.statusOf(record, this.#now());
  }

  /**
   * An operator takes the responsibility for a condition; `device` is a UUID or an index, or empty for the node as a whole. A check that
   * still sees the cause fires again with the next sample. Throws `device-unknown`; `argument-invalid` when it does not fire.
   */
  acknowledge(device: string, check: string, by: string): void {
    const record = device === '' ? null : this.#roster.find(device);
    if (!(record?.book ?? this.#roster.nodeBook).acknowledge(check))
      throw new InfernodeError(
        'argument-invalid',
        `expected a check that fires on ${device === '' ? 'the node' : `device ${device}`}, got "${check}"`,
      );
    if (record) this.#afterAcknowledgement(record, check, by);
    else this.#recorder.acknowledged(null, check, by);
    this.#announcer.announce([]);
  }

  /** The device that a UUID or an index means; throws `device-unknown`. */
  deviceOf(ref: string): DeviceStatus {
    return this.#roster.statusOf(this.#roster.find(ref), this.#now());
  }

  #afterAcknowledgement(record: DeviceRecord, check: string, by: string): void {
    const { uuid } = record.identity;
    record.accept(check);
    record.repeats.forget(check);
    this.#recorder.acknowledged(uuid, check, by);
    if (check === 'gpu_missing') this.#roster.forget(uuid);
  }

  #silence(): void {
    const isRead = this.#kernelLog === 'reading' || this.#kernelLog === 'waiting';
    this.#roster.setSilent(isRead ? { device: [], node: [] } : kernelLogChecks(this.#settings));
  }

  #noteDriver({ state }: DriverState): void {
    // Nobody can unload the driver while our sampler holds it, so that only a release of an open one counts: a sampler that
    // was restarted, or whose first call hung, has reset nothing.
    if (state === 'released') this.#driverWasReleased ||= this.#driverWasOpen;
    if (state !== 'ok') return;
    this.#roster.nodeBook.clear('driver_version_mismatch');
    if (this.#driverWasReleased) for (const record of this.#roster.records.values()) record.driverReopened();
    this.#driverWasOpen = true;
    this.#driverWasReleased = false;
  }

  #evaluate(): Fault[] {
    const at = this.#now();
    const faults: Fault[] = [];
    for (const [uuid, record] of this.#roster.records) {
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
    const { node } = this.#roster;
    if (!node) return [];
    const addresses = new Set(this.#roster.identities.map(({ pciBusId }) => pciBusId));
    const view = this.#host.view(node, addresses, at.nowMs);
    const fired = this.#roster.nodeBook.evaluate(hostChecks, view, this.#settings, node.takenAtMs, at);
    return fired.map((condition) => ({ ...faultOfCondition(null, condition, at.nowMs), drain: 'none' }));
  }

  #surroundingsOf(uuid: string): Surroundings | null {
    const { sampleIntervalMs, callDeadlineMs = 0 } = this.#options;
    const { node } = this.#roster;
    return (
      node && {
        node,
        stuck: this.#roster.stuckOf(uuid),
        sampleIntervalMs,
        callDeadlineMs,
        workload: this.#workload,
      }
    );
  }

  #now(): Moment {
    const { clock } = this.#options;
    return { nowMs: clock.monotonicMs(), wallMs: clock.wallMs() };
  }
}
