/**
 * What happened in the last seconds, so that one incident is not two: the same Xid comes from NVML and from the kernel log,
 * and the driver's verdict follows the Xid that it is about. Windows are the data's: 1 s for the two sources, 3 s for
 * an incident. Bounded: the oldest entry goes first.
 */
import type { DeviceEvent } from '../domain/device.js';

const sameEventMs = 1_000;
const incidentMs = 3_000;
const maxEntries = 512;

export class IncidentMemory {
  readonly #events = new Map<string, { source: DeviceEvent['source']; atMs: number }>();
  readonly #actions = new Map<string, { value: number; atMs: number }>();

  /** True when the other source has told the same within a second. */
  isSecondSource(event: DeviceEvent): boolean {
    const key = `${event.deviceUuid ?? ''}/${event.kind}/${event.code}/${event.gpuInstance ?? ''}`;
    const before = this.#events.get(key);
    const same =
      before !== undefined &&
      before.source !== event.source &&
      Math.abs(event.receivedAtMs - before.atMs) <= sameEventMs;
    // A pair is complete with its second half: a repeat of the event begins a new one and counts again.
    if (same) this.#events.delete(key);
    else remember(this.#events, key, { source: event.source, atMs: event.receivedAtMs });
    return same;
  }

  /** A value that stays the same is not news: only its change belongs to an incident. */
  noteRecoveryAction(uuid: string, value: number, atMs: number): void {
    if (this.#actions.get(uuid)?.value !== value) remember(this.#actions, uuid, { value, atMs });
  }

  /** What the driver wants for the incident under way, or `null`. */
  recoveryAction(uuid: string, nowMs: number): number | null {
    const action = this.#actions.get(uuid);
    return action && Math.abs(nowMs - action.atMs) <= incidentMs ? action.value : null;
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= maxEntries) break;
    map.delete(oldest);
  }
}
