/**
 * Two samplers hear the same event while one takes over from the other. What was already passed on from the other one is not
 * passed on again, and what the old one had heard last is not lost with it.
 */
import type { DeviceEvent } from '../domain/device.js';
import { BoundedQueue } from '../runtime/bounded-queue.js';

/** Both read the same driver; their lines arrive within one turn or two of the event loop. */
const sameEventMs = 1000;
const maxRemembered = 64;

export class HeardEvents<Source extends object> {
  readonly #heard = new BoundedQueue<{ source: Source; key: string; atMs: number }>(maxRemembered);

  /** True when the event is news. */
  isNews(source: Source, { deviceUuid, kind, code, receivedAtMs }: DeviceEvent): boolean {
    const key = `${deviceUuid} ${kind} ${code}`;
    const known = this.#heard
      .toArray()
      .some((h) => h.key === key && h.source !== source && receivedAtMs - h.atMs < sameEventMs);
    if (!known) this.#heard.push({ source, key, atMs: receivedAtMs });
    return !known;
  }
}
