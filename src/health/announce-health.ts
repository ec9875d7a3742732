/**
 * What of the health of a node is new goes out here: statuses first, then faults, and to disk what must survive a restart. Called by the
 * tracker after each change; what says nothing new is told to nobody.
 */
import { isDeepStrictEqual } from 'node:util';
import type { DeviceStatus } from '../domain/device.js';
import type { Condition, Fault } from '../domain/health.js';
import type { Moment } from './condition-book.js';
import type { DeviceRoster } from './device-roster.js';
import type { HealthMetrics } from './health-metrics.js';
import type { FaultRecorder } from './record-faults.js';
import type { StoredHealth } from './stored-health.js';

export interface HealthAnnouncerOptions {
  roster: DeviceRoster;
  recorder: FaultRecorder;
  metrics: HealthMetrics;
  bootId: string;
  now: () => Moment;
  /** What is stored beside devices and conditions. */
  beside: () => Pick<StoredHealth, 'kernelLogSeen' | 'rdmaPorts'>;
  /** All devices, after each change. Called before the fault that caused the change is announced. */
  onDevices(devices: DeviceStatus[]): void;
  onFault(fault: Fault): void;
  /** What must survive a restart has changed. */
  onStore(stored: StoredHealth): void;
}

export class HealthAnnouncer {
  readonly #options: HealthAnnouncerOptions;
  #devices: DeviceStatus[];
  #toldNode: Condition[] = [];
  #stored: StoredHealth;

  constructor(options: HealthAnnouncerOptions) {
    this.#options = options;
    this.#stored = { bootId: options.bootId, devices: [] };
    this.#devices = options.roster.statuses(options.now());
  }

  /** As announced last. */
  get devices(): readonly DeviceStatus[] {
    return this.#devices;
  }

  /** Statuses first, then faults. `quietly`: when nothing but ages has changed, nothing is said. */
  announce(faults: readonly Fault[], quietly = false): void {
    const { roster, now, metrics } = this.#options;
    const devices = roster.statuses(now());
    const node = roster.nodeConditions;
    const changed =
      !quietly ||
      faults.length > 0 ||
      !isDeepStrictEqual(node, this.#toldNode) ||
      !isDeepStrictEqual(ageless(devices), ageless(this.#devices));
    if (changed) this.#tell(devices, node);
    for (const fault of faults) {
      metrics.countFault(fault.deviceUuid ?? '', fault.severity);
      this.#options.onFault(fault);
    }
  }

  /** Hands out what is to be on disk, when that has changed. */
  store(): void {
    const { roster, bootId, beside } = this.#options;
    const stored: StoredHealth = {
      bootId,
      devices: roster.stored(),
      node: roster.nodeBook.stored(),
      ...beside(),
    };
    if (isDeepStrictEqual(stored, this.#stored)) return;
    this.#stored = stored;
    this.#options.onStore(stored);
  }

  #tell(devices: DeviceStatus[], node: Condition[]): void {
    const { roster, recorder, metrics } = this.#options;
    recorder.compare({ devices: this.#devices, node: this.#toldNode }, { devices, node });
    this.#toldNode = node;
    this.#devices = devices;
    metrics.show(devices);
    metrics.showNode(node, roster.nodeBook.unsupported());
    this.#options.onDevices(devices);
    this.store();
  }
}

function ageless(devices: readonly DeviceStatus[]): DeviceStatus[] {
  return devices.map((device) => ({ ...device, sampleAgeMs: 0 }));
}
