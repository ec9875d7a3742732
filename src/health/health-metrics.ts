import { Counter, Gauge, type Registry } from 'prom-client';
import type { DeviceStatus } from '../domain/device.js';
import { deviceHealthStates, type Severity } from '../domain/health.js';
import { deviceChecks } from './checks/check-registry.js';
import { checkRow, xidRows } from './health-data.js';

const severities: readonly Severity[] = ['info', 'warning', 'critical', 'fatal'];

/** Series are born at 0 when a device is first seen, so that `increase()` sees the first fault, and leave with it. */
export class HealthMetrics {
  readonly #node: string;
  readonly #health: Gauge<'node' | 'device' | 'state'>;
  readonly #condition: Gauge<'node' | 'device' | 'check' | 'severity'>;
  readonly #xids: Counter<'node' | 'device' | 'xid'>;
  readonly #faults: Counter<'node' | 'device' | 'severity'>;
  /** Label sets of conditions that were exported, by device. */
  readonly #conditions = new Map<string, Map<string, { check: string; severity: string }>>();
  /** Codes exported, by device. */
  readonly #codes = new Map<string, Set<string>>();

  constructor(registry: Registry, node: string) {
    const registers = [registry];
    this.#node = node;
    this.#health = new Gauge({
      name: 'infernode_device_health',
      help: 'Health of a device: one series per state, 1 for the current one',
      labelNames: ['node', 'device', 'state'],
      registers,
    });
    this.#condition = new Gauge({
      name: 'infernode_device_condition',
      help: 'A health check of a device: 1 while it fires',
      labelNames: ['node', 'device', 'check', 'severity'],
      registers,
    });
    this.#xids = new Counter({
      name: 'infernode_device_xid_total',
      help: 'Xid errors reported by the driver',
      labelNames: ['node', 'device', 'xid'],
      registers,
    });
    this.#faults = new Counter({
      name: 'infernode_device_faults_total',
      help: 'Classified faults by severity',
      labelNames: ['node', 'device', 'severity'],
      registers,
    });
  }

  /** `device` is empty for an event that names none. */
  countEvent(device: string, xid: number | null): void {
    if (xid === null) return;
    this.#codes.get(device)?.add(String(xid));
    this.#xids.inc({ node: this.#node, device, xid: String(xid) });
  }

  countFault(device: string, severity: Severity): void {
    this.#faults.inc({ node: this.#node, device, severity });
  }

  show(devices: readonly DeviceStatus[]): void {
    const present = new Set(devices.map((d) => d.identity.uuid));
    for (const device of this.#codes.keys()) if (!present.has(device)) this.#forget(device);
    for (const status of devices) {
      const device = status.identity.uuid;
      if (!this.#codes.has(device)) this.#bear(device);
      for (const state of deviceHealthStates)
        this.#health.set({ node: this.#node, device, state }, status.health === state ? 1 : 0);
      this.#showConditions(device, status);
    }
  }

  #showConditions(device: string, { conditions }: DeviceStatus): void {
    const known = this.#conditions.get(device) ?? new Map<string, { check: string; severity: string }>();
    const firing = new Set<string>();
    for (const { check, severity } of conditions) {
      const key = `${check}/${severity}`;
      firing.add(key);
      known.set(key, { check, severity });
    }
    for (const [key, labels] of known)
      this.#condition.set({ node: this.#node, device, ...labels }, firing.has(key) ? 1 : 0);
    this.#conditions.set(device, known);
  }

  #bear(device: string): void {
    const node = this.#node;
    const fatal = [...xidRows.values()].filter((row) => row.severity === 'fatal');
    this.#codes.set(device, new Set(fatal.map((row) => String(row.xid))));
    for (const { xid } of fatal) this.#xids.inc({ node, device, xid: String(xid) }, 0);
    for (const severity of severities) this.#faults.inc({ node, device, severity }, 0);
    this.#conditions.set(device, bornConditions());
  }

  #forget(device: string): void {
    const node = this.#node;
    for (const xid of this.#codes.get(device) ?? []) this.#xids.remove({ node, device, xid });
    for (const severity of severities) this.#faults.remove({ node, device, severity });
    for (const state of deviceHealthStates) this.#health.remove({ node, device, state });
    for (const labels of this.#conditions.get(device)?.values() ?? [])
      this.#condition.remove({ node, device, ...labels });
    this.#codes.delete(device);
    this.#conditions.delete(device);
  }
}

/** Every registered check at the severity of its row, and fatal Xids. */
function bornConditions(): Map<string, { check: string; severity: string }> {
  const rows = [...deviceChecks.keys()].map((id) => ({ check: id, severity: checkRow(id).severity }));
  const fixed = rows.filter((row) => !row.severity.startsWith('by_'));
  return new Map([...fixed, { check: 'xid', severity: 'fatal' }].map((l) => [`${l.check}/${l.severity}`, l]));
}
