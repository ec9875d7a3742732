/**
 * What is heard of faults, from both sources: events of the driver and records of the kernel log become one story. Here they are classified,
 * folded, counted, recorded and held; the tracker announces what is left to tell.
 */
import type { DeviceEvent, NodeSample } from '../domain/device.js';
import { largerAction, type Action, type Fault } from '../domain/health.js';
import type { HistorySource } from '../domain/history.js';
import type { KernelRecord } from '../domain/kernel-log.js';
import { classifyFault, type ClassifiedFault, type FaultContext } from './classify-fault.js';
import { faultOfCheck } from './classify-finding.js';
import type { CheckSettings, Moment } from './condition-book.js';
import type { DeviceRoster } from './device-roster.js';
import type { HealthMetrics } from './health-metrics.js';
import { IncidentMemory } from './incident-memory.js';
import { KernelLogIntake, type HostView, type KernelOutcome } from './kernel-log-intake.js';
import type { FaultRecorder } from './record-faults.js';

export interface FaultEarOptions {
  roster: DeviceRoster;
  recorder: FaultRecorder;
  metrics: Pick<HealthMetrics, 'countEvent'>;
  owners: HostView;
  settings: () => CheckSettings;
  now: () => Moment;
  /** Everything heard on this node is a rehearsal. */
  drill: boolean;
  /** Sequence number of the newest record that was acted on in this boot; -1: none. */
  kernelLogSeen: number;
  /** What is new, after it is held; empty when only a verdict has changed. */
  onFaults: (faults: readonly Fault[]) => void;
}

export class FaultEar {
  readonly #options: FaultEarOptions;
  readonly #incidents = new IncidentMemory();
  readonly #kernelLog: KernelLogIntake;

  constructor(options: FaultEarOptions) {
    this.#options = options;
    const { owners: host, kernelLogSeen: seen, roster } = options;
    this.#kernelLog = new KernelLogIntake({ seen, host, devices: () => roster.identities });
  }

  get kernelLogSeen(): number {
    return this.#kernelLog.seen;
  }

  /** What the driver recommends belongs to the events around it. */
  noteRecoveryActions({ devices, takenAtMs }: NodeSample): void {
    for (const { identity, reading } of devices)
      if (reading.recoveryAction !== null)
        this.#incidents.noteRecoveryAction(identity.uuid, reading.recoveryAction, takenAtMs);
  }

  /** The devices are known from now on: records that have waited are taken. */
  openKernelLog(): void {
    for (const outcome of this.#kernelLog.open(this.#options.settings())) this.#take(outcome);
  }

  kernelRecord(record: KernelRecord): void {
    for (const outcome of this.#kernelLog.take(record, this.#options.settings())) this.#take(outcome);
  }

  kernelLogRestarted(): void {
    this.#kernelLog.restart();
  }

  /** A fault of the node that a source itself has. */
  sourceFailed(check: 'kmsg_overrun' | 'event_set_broken', reason: string, evidence: string): void {
    const { now, drill } = this.#options;
    const fault = { ...faultOfCheck(check, reason, evidence, now().nowMs), drill };
    this.#tell([fault], check === 'event_set_broken' ? 'agent' : 'kmsg');
  }

  event(event: DeviceEvent): void {
    const { metrics, recorder, settings, now, roster, onFaults } = this.#options;
    const uuid = event.deviceUuid;
    const fault = this.#withHolders(classifyFault(event, this.#contextOf(event)), event);
    if (fault.basis === 'recovery-action' && uuid !== null && event.kind === 'recovery-action')
      this.#incidents.noteRecoveryAction(uuid, event.code, event.receivedAtMs);
    if (this.#incidents.isSecondSource(event)) {
      // The kernel log tells more than NVML about the same event: keep its verdict, count once.
      if (event.text !== null) this.#hold({ ...fault, action: this.#actionHeld(fault) });
      recorder.confirmed(fault, event.source);
      onFaults([]);
      return;
    }
    metrics.countEvent(uuid ?? '', fault.xid);
    const { wallMs, nowMs } = now();
    const atWallMs = wallMs - Math.max(0, nowMs - event.receivedAtMs);
    const repeats = uuid === null ? undefined : roster.records.get(uuid)?.repeats;
    this.#tell(repeats?.note(fault, atWallMs, settings()) ?? [fault], event.source);
  }

  #take(outcome: KernelOutcome): void {
    if (outcome.kind === 'event') this.event(outcome.event);
    else this.#tell([{ ...outcome.fault, drill: outcome.drill }], 'kmsg');
  }

  /** New faults: recorded, held, announced. */
  #tell(faults: readonly ClassifiedFault[], source: HistorySource): void {
    const { owners, recorder, onFaults } = this.#options;
    for (const fault of faults) {
      const engine = fault.pid === null ? null : (owners.engineOf(fault.pid)?.engineId ?? null);
      recorder.note(fault, { source, basis: fault.basis, engine });
      this.#hold(fault);
    }
    onFaults(faults.filter((fault) => !this.#isDisabled(fault)));
  }

  #hold(fault: ClassifiedFault): void {
    const { roster, now } = this.#options;
    if (!this.#isDisabled(fault)) roster.hold(fault, now());
  }

  /** A check that is switched off is counted and logged, and nothing is done about it. */
  #isDisabled({ check }: Fault): boolean {
    return this.#options.settings()[check]?.enabled === false;
  }

  /** A fault that had climbed the ladder stays where it is when the second source tells of it. */
  #actionHeld({ deviceUuid, xid, action, part }: ClassifiedFault): Action {
    const book = deviceUuid === null ? undefined : this.#options.roster.records.get(deviceUuid)?.book;
    const held = book
      ?.held()
      .find(({ code, condition }) => code === xid && condition.check === 'xid' && condition.part === part);
    return largerAction(held?.condition.action ?? 'none', action);
  }

  /** Whose work is hurt by a fault of one instance: the processes that the driver listed there last. */
  #withHolders(fault: ClassifiedFault, { deviceUuid, gpuInstance = null }: DeviceEvent): ClassifiedFault {
    const record = deviceUuid === null ? undefined : this.#options.roster.records.get(deviceUuid);
    const holders = fault.part === undefined || gpuInstance === null ? null : record?.pidsOf(gpuInstance);
    return holders ? { ...fault, holders } : fault;
  }

  #contextOf({ deviceUuid, receivedAtMs }: DeviceEvent): FaultContext {
    const { records, node } = this.#options.roster;
    const driver = node?.driver;
    return {
      recoveryAction: deviceUuid === null ? null : this.#incidents.recoveryAction(deviceUuid, receivedAtMs),
      repairFailed: deviceUuid !== null && (records.get(deviceUuid)?.repairFailed ?? false),
      driverBranch: driver?.state === 'ok' ? Number.parseInt(driver.driverVersion, 10) || null : null,
    };
  }
}
