import { Counter, Gauge, type Registry } from 'prom-client';
import type { ProbeVerdict } from '../domain/gpu-probe.js';

/** Instruments of the probe processes: short probes, and heartbeats by device. */
export class DeviceProbeMetrics {
  readonly #node: string;
  readonly #probes: Counter<'node' | 'verdict'>;
  readonly #abandoned: Counter<'node'>;
  readonly #restarts: Counter<'node' | 'device'>;
  readonly #latency: Gauge<'node' | 'device'>;
  readonly #missed: Gauge<'node' | 'device'>;

  constructor(registry: Registry, node: string) {
    this.#node = node;
    const registers = [registry];
    this.#probes = new Counter({
      name: 'infernode_device_probes_total',
      help: 'Short probes of a device, by verdict: pass, fail, unavailable',
      labelNames: ['node', 'verdict'],
      registers,
    });
    this.#abandoned = new Counter({
      name: 'infernode_device_probes_abandoned_total',
      help: 'Probe processes that did not end after SIGKILL and were left behind',
      labelNames: ['node'],
      registers,
    });
    this.#restarts = new Counter({
      name: 'infernode_device_heartbeat_restarts_total',
      help: 'Heartbeat processes that ended and were started again',
      labelNames: ['node', 'device'],
      registers,
    });
    this.#latency = new Gauge({
      name: 'infernode_device_heartbeat_latency_seconds',
      help: 'Time that the last replay of the heartbeat graph took, launch to answer',
      labelNames: ['node', 'device'],
      registers,
    });
    this.#missed = new Gauge({
      name: 'infernode_device_heartbeat_missed',
      help: '1 while a device that has beaten does not answer in time',
      labelNames: ['node', 'device'],
      registers,
    });
    this.#abandoned.inc({ node }, 0);
  }

  countProbe(verdict: ProbeVerdict['verdict']): void {
    this.#probes.inc({ node: this.#node, verdict });
  }

  countAbandoned(): void {
    this.#abandoned.inc({ node: this.#node });
  }

  countRestart(device: string): void {
    this.#restarts.inc({ node: this.#node, device });
  }

  observeBeat(device: string, latencySeconds: number): void {
    this.#latency.set({ node: this.#node, device }, latencySeconds);
    this.#missed.set({ node: this.#node, device }, 0);
  }

  observeMissed(device: string): void {
    this.#missed.set({ node: this.#node, device }, 1);
  }

  /** The device has no heartbeat any more. */
  forget(device: string): void {
    this.#latency.remove({ node: this.#node, device });
    this.#missed.remove({ node: this.#node, device });
  }
}
