import { Counter, Gauge, type Registry } from 'prom-client';
import type { DeviceStatus } from '../domain/device.js';
import { deviceHealthStates, type Condition, type DeviceHealth, type Severity } from '../domain/health.js';
import { deviceChecks } from './checks/check-registry.js';
import { hostChecks } from './checks/host-checks.js';
import { checkRow, xidRows } from './health-data.js';

interface ConditionSeries {
  check: string;
  severity: string;
  /** As exported; `null` before the first time. A gauge is set when it changes: there are hundreds of them. */
  value: 0 | 1 | null;
}

const severities: readonly Severity[] = ['info', 'warning', 'critical', 'fatal'];

/** Series are born at 0 when a device is first seen, so that `increase()` sees the first fault, and leave with it. */
export class HealthMetrics {
  readonly #node: string;
  readonly #health: Gauge<'node' | 'device' | 'state'>;
  readonly #condition: Gauge<'node' | 'device' | 'check' | 'severity'>;
  readonly #xids: Counter<'node' | 'device' | 'xid'>;
  readonly #faults: Counter<'node' | 'device' | 'severity'>;
  readonly #drill: Gauge<'node' | 'device'>;
  /** Label sets of conditions that were exported, by device. */
  readonly #conditions = new Map<string, Map<string, ConditionSeries>>();
  readonly #nodeCondition: Gauge<'node' | 'check' | 'severity'>;
  readonly #nodeConditions = bornConditions(hostChecks.map(({ id }) => id));
  readonly #unsupported: Gauge<'node' | 'device' | 'check'>;
  readonly #backwards: Counter;
  /** Checks exported as unsupported, by device; the empty name is the node. */
  readonly #unsupportedChecks = new Map<string, readonly string[]>();
  /** As exported, by device: a gauge is set when it changes. */
  readonly #healths = new Map<string, DeviceHealth>();
  readonly #drills = new Map<string, boolean>();
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
    this.#nodeCondition = new Gauge({
      name: 'infernode_node_condition',
      help: 'A health check of the node as a whole: 1 while it fires',
      labelNames: ['node', 'check', 'severity'],
      registers,
    });
    this.#unsupported = new Gauge({
      name: 'infernode_device_check_unsupported',
      help: 'A health check whose source this device, driver or host does not have; without a device it is one of the node',
      labelNames: ['node', 'device', 'check'],
      registers,
    });
    this.#xids = new Counter({
      name: 'infernode_device_xid_total',
      help: 'Xid errors reported by the driver',
      labelNames: ['node', 'device', 'xid'],
      registers,
    });
    this.#backwards = new Counter({
      name: 'infernode_device_counters_backwards_total',
      help: 'Counters of devices and RDMA ports that went backwards: a reset, or nonsense; no growth is seen in it',
      labelNames: ['node'],
      registers,
    });
    this.#backwards.inc({ node }, 0);
    this.#faults = new Counter({
      name: 'infernode_device_faults_total',
      help: 'Classified faults by severity',
      labelNames: ['node', 'device', 'severity'],
      registers,
    });
    this.#drill = new Gauge({
      name: 'infernode_device_drill',
      help: 'A device with a finding that a rehearsal caused: 1 while it lasts',
      labelNames: ['node', 'device'],
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

  countBackwards(times: number): void {
    if (times > 0) this.#backwards.inc({ node: this.#node }, times);
  }

  show(devices: readonly DeviceStatus[]): void {
    const present = new Set(devices.map((d) => d.identity.uuid));
    for (const device of this.#codes.keys()) if (!present.has(device)) this.#forget(device);
    for (const status of devices) {
      const device = status.identity.uuid;
      if (!this.#codes.has(device)) this.#bear(device);
      this.#showHealth(device, status.health);
      const drill = status.conditions.some((condition) => condition.drill === true);
      if (this.#drills.get(device) !== drill) this.#drill.set({ node: this.#node, device }, drill ? 1 : 0);
      this.#drills.set(device, drill);
      this.#showConditions(device, status);
    }
  }

  #showHealth(device: string, health: DeviceHealth): void {
    if (this.#healths.get(device) === health) return;
    this.#healths.set(device, health);
    for (const state of deviceHealthStates)
      this.#health.set({ node: this.#node, device, state }, health === state ? 1 : 0);
  }

  showNode(conditions: readonly Condition[], unsupported: readonly string[]): void {
    showIn(this.#nodeConditions, conditions, (labels, value) =>
      this.#nodeCondition.set({ node: this.#node, ...labels }, value),
    );
    this.#showUnsupported('', unsupported);
  }

  #showConditions(device: string, { conditions, unsupportedChecks = [] }: DeviceStatus): void {
    const known = this.#conditions.get(device) ?? new Map<string, ConditionSeries>();
    showIn(known, conditions, (labels, value) =>
      this.#condition.set({ node: this.#node, device, ...labels }, value),
    );
    this.#conditions.set(device, known);
    this.#showUnsupported(device, unsupportedChecks);
  }

  #showUnsupported(device: string, checks: readonly string[]): void {
    const before = this.#unsupportedChecks.get(device) ?? [];
    if (before === checks) return;
    const node = this.#node;
    for (const check of before)
      if (!checks.includes(check)) this.#unsupported.remove({ node, device, check });
    for (const check of checks) this.#unsupported.set({ node, device, check }, 1);
    this.#unsupportedChecks.set(device, checks);
  }

  #bear(device: string): void {
    const node = this.#node;
    const fatal = [...xidRows.values()].filter((row) => row.severity === 'fatal');
    this.#codes.set(device, new Set(fatal.map((row) => String(row.xid))));
    for (const { xid } of fatal) this.#xids.inc({ node, device, xid: String(xid) }, 0);
    for (const severity of severities) this.#faults.inc({ node, device, severity }, 0);
    const born = bornConditions([...deviceChecks.keys()]);
    born.set('xid/fatal', { check: 'xid', severity: 'fatal', value: null });
    this.#conditions.set(device, born);
  }

  #forget(device: string): void {
    const node = this.#node;
    for (const xid of this.#codes.get(device) ?? []) this.#xids.remove({ node, device, xid });
    for (const severity of severities) this.#faults.remove({ node, device, severity });
    for (const state of deviceHealthStates) this.#health.remove({ node, device, state });
    this.#drill.remove({ node, device });
    for (const { check, severity } of this.#conditions.get(device)?.values() ?? [])
      this.#condition.remove({ node, device, check, severity });
    this.#showUnsupported(device, []);
    this.#unsupportedChecks.delete(device);
    this.#codes.delete(device);
    this.#healths.delete(device);
    this.#drills.delete(device);
    this.#conditions.delete(device);
  }
}

/** The checks at the severity of their rows. */
function bornConditions(ids: readonly string[]): Map<string, ConditionSeries> {
  const rows = ids.map((id) => ({ check: id, severity: checkRow(id).severity }));
  const fixed = rows.filter((row) => !row.severity.startsWith('by_'));
  return new Map(fixed.map((labels) => [`${labels.check}/${labels.severity}`, { ...labels, value: null }]));
}

function showIn(
  known: Map<string, ConditionSeries>,
  conditions: readonly Condition[],
  set: (labels: { check: string; severity: string }, value: 0 | 1) => void,
): void {
  const firing = new Set(conditions.map(({ check, severity }) => `${check}/${severity}`));
  for (const { check, severity } of conditions) {
    const key = `${check}/${severity}`;
    if (!known.has(key)) known.set(key, { check, severity, value: null });
  }
  for (const [key, series] of known) {
    const value = firing.has(key) ? 1 : 0;
    if (series.value === value) continue;
    series.value = value;
    set({ check: series.check, severity: series.severity }, value);
  }
}
