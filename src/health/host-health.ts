/** What is remembered of the host from reading to reading: RDMA ports, their counters, and which ports there should be. */
import type { NodeSample } from '../domain/device.js';
import { noHostReadings, type HostReadings } from '../domain/host-readings.js';
import type { HostView, PortMemory } from './checks/host-check.js';
import { CounterHistory } from './counter-history.js';

const maxFlaps = 16;
/** Shorter than this is no flap (the data's note). */
const flapMs = 25_000;
const counters = ['symbolErrors', 'linkDowned', 'linkErrorRecovery'] as const;

export class HostHealth {
  readonly #history = new CounterHistory();
  readonly #ports = new Map<string, PortMemory>();
  #host: Readonly<HostReadings> = noHostReadings;

  /** `expected`: ports that were active when the node was first seen, from disk. */
  constructor(expected: readonly string[] = []) {
    for (const name of expected) this.#ports.set(name, { downSinceMs: null, flapsAtMs: [] });
  }

  /** For the disk. A port that was never active is not in use, and not missed. */
  get expectedPorts(): string[] {
    return [...this.#ports.keys()].sort();
  }

  take(host: Readonly<HostReadings>): void {
    this.#host = host;
    const { takenAtMs } = host;
    const now = new Map((host.rdmaPorts ?? []).map((port) => [port.name, port]));
    for (const port of now.values()) {
      if (port.active && !this.#ports.has(port.name))
        this.#ports.set(port.name, { downSinceMs: null, flapsAtMs: [] });
      for (const name of counters) this.#history.note(`${port.name}/${name}`, port[name], takenAtMs);
    }
    for (const [name, memory] of this.#ports)
      this.#ports.set(name, next(memory, now.get(name)?.active ?? false, takenAtMs));
  }

  /** Counters that went backwards since this was asked last. */
  takeBackwards(): number {
    return this.#history.takeBackwards();
  }

  view(node: NodeSample, knownPciAddresses: ReadonlySet<string>, nowMs: number): HostView {
    return {
      driver: node.driver,
      readings: node.readings,
      host: this.#host,
      ports: this.#ports,
      history: this.#history,
      knownPciAddresses,
      nowMs,
    };
  }
}

function next({ downSinceMs, flapsAtMs }: PortMemory, active: boolean, nowMs: number): PortMemory {
  if (!active) return { downSinceMs: downSinceMs ?? nowMs, flapsAtMs };
  const flapped = downSinceMs !== null && nowMs - downSinceMs >= flapMs;
  return { downSinceMs: null, flapsAtMs: flapped ? [...flapsAtMs, nowMs].slice(-maxFlaps) : flapsAtMs };
}
