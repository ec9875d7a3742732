/**
 * Everything that health says about faults beside its state: one line of log, counters, and the history that explains them later. Faults
 * are told when they are new; conditions that went, and devices whose health changed, are found by comparing two states.
 */
import type { DeviceStatus } from '../domain/device.js';
import type { Condition, Fault } from '../domain/health.js';
import type { HistorySource } from '../domain/history.js';
import type { Logger } from '../runtime/logger.js';
import type { HealthHistory } from './health-history.js';

export interface FaultOrigin {
  source: HistorySource;
  basis: string | null;
  /** The engine whose process the driver named. */
  engine: string | null;
}

interface State {
  devices: readonly DeviceStatus[];
  node: readonly Condition[];
}

export class FaultRecorder {
  readonly #logger: Logger;
  readonly #history: HealthHistory;

  constructor(logger: Logger, history: HealthHistory) {
    this.#logger = logger;
    this.#history = history;
  }

  note(fault: Fault, { source, basis, engine }: FaultOrigin): void {
    const {
      check,
      deviceUuid: device,
      xid,
      severity,
      action,
      advice,
      reason,
      evidence,
      observedAtMs,
    } = fault;
    const drill = fault.drill === true;
    const news = { source, basis, engine, device, check, xid, severity, action, reason, evidence, drill };
    const { incident } = this.#history.add({ kind: 'fault', ...news }, observedAtMs);
    const line = { check, device, severity, action, advice, evidence, incident, engine, drill };
    if (severity === 'info') this.#logger.info(line, reason);
    else if (severity === 'warning') this.#logger.warn(line, reason);
    else this.#logger.error(line, reason);
  }

  /** The other source tells of a fault that was told already. */
  confirmed(fault: Fault, source: HistorySource): void {
    const { check, deviceUuid: device, xid, severity, action, evidence, observedAtMs, drill = false } = fault;
    const reason = `${xid === null ? check : `Xid ${xid}`} is confirmed by ${source === 'kmsg' ? 'the kernel log' : 'an NVML event'}`;
    const news = { source, device, check, xid, severity, action, reason, evidence, drill };
    this.#history.add({ kind: 'fault', ...news }, observedAtMs);
  }

  /** An operator took the responsibility for a condition. */
  acknowledged(device: string | null, check: string, by: string): void {
    this.#logger.warn({ device, check, by }, 'condition acknowledged by an operator');
    const reason = `${check} acknowledged by ${by}`;
    this.#history.add({ kind: 'acknowledged', source: 'operator', device, check, reason });
  }

  compare(before: State, after: State): void {
    this.#cleared(null, before.node, after.node);
    const now = new Map(after.devices.map((device) => [device.identity.uuid, device]));
    for (const old of before.devices) {
      const device = old.identity.uuid;
      const next = now.get(device);
      this.#cleared(device, old.conditions, next?.conditions ?? []);
      if (next && next.health !== old.health) this.#healthChanged(old, next);
    }
  }

  #cleared(device: string | null, before: readonly Condition[], after: readonly Condition[]): void {
    const left = new Set(after.map(keyOf));
    for (const condition of before) {
      if (left.has(keyOf(condition))) continue;
      const { check, severity, reason, drill = false } = condition;
      this.#history.add({ kind: 'cleared', source: 'agent', device, check, severity, reason, drill });
    }
  }

  #healthChanged(old: DeviceStatus, next: DeviceStatus): void {
    const why = next.reason === '' ? '' : `: ${next.reason}`;
    this.#history.add({
      kind: 'health',
      source: 'agent',
      device: next.identity.uuid,
      severity: next.severity,
      action: next.action,
      reason: `GPU ${next.identity.index} is ${next.health}, was ${old.health}${why}`,
      drill: next.conditions.some(({ drill }) => drill === true),
    });
  }
}

/** Each Xid and each part is a condition of its own; the reason of a reading changes with its number. */
function keyOf({ check, reason, part = '' }: Condition): string {
  return check === 'xid' ? reason : `${check}/${part}`;
}
