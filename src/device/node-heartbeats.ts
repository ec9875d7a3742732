/**
 * Which devices have a heartbeat: those that the configuration names, while enough of their memory is free. A CUDA context takes
 * a few hundred MiB that an engine may need, so one is never made where the engine leaves too little.
 */
import type { NodeSample } from '../domain/device.js';
import { DeviceHeartbeat, type DeviceHeartbeatOptions } from './device-heartbeat.js';

export interface NodeHeartbeatsOptions extends Omit<DeviceHeartbeatOptions, 'deviceUuid'> {
  enabled: boolean;
  /** Free memory under which no heartbeat is started; one that runs goes on, its memory is taken already. */
  minFreeBytes: number;
}

export class NodeHeartbeats {
  readonly #options: NodeHeartbeatsOptions;
  readonly #beats = new Map<string, DeviceHeartbeat>();
  /** Devices without one, said once. */
  readonly #refused = new Set<string>();
  #closed = false;

  constructor(options: NodeHeartbeatsOptions) {
    this.#options = options;
  }

  /** Starts and ends heartbeats as devices come, go and fill up. */
  handleSample({ devices, driver }: NodeSample): void {
    if (!this.#options.enabled || this.#closed) return;
    // A driver that is released must not be held open by a context.
    if (driver.state === 'released') return this.#endAll();
    for (const { identity, reading } of devices) {
      const { uuid } = identity;
      if (this.#beats.has(uuid)) continue;
      const { memoryTotalBytes: total, memoryUsedBytes: used } = reading;
      if (total === null || used === null || total - used < this.#options.minFreeBytes) {
        this.#refuse(uuid, total === null || used === null ? null : total - used);
        continue;
      }
      this.#refused.delete(uuid);
      this.#beats.set(uuid, new DeviceHeartbeat({ ...this.#options, deviceUuid: uuid }));
    }
  }

  /** `null`: nobody beats on this device. */
  missed(deviceUuid: string): boolean | null {
    return this.#beats.get(deviceUuid)?.missed ?? null;
  }

  /** Of the processes that run now: they are ours, not an engine's. */
  get pids(): number[] {
    return [...this.#beats.values()].flatMap(({ pid }) => pid ?? []);
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#endAll();
  }

  #endAll(): void {
    for (const beat of this.#beats.values()) beat.close();
    this.#beats.clear();
  }

  #refuse(deviceUuid: string, freeBytes: number | null): void {
    if (this.#refused.has(deviceUuid)) return;
    this.#refused.add(deviceUuid);
    const { logger, minFreeBytes } = this.#options;
    logger.info(
      { deviceUuid, freeBytes, minFreeBytes },
      'no heartbeat on this device: too little free memory',
    );
  }
}
