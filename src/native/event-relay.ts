/** Events of streams from engines' sockets to clients' in native code: `native/relay`. */
import type { Logger } from '../runtime/logger.js';
import { messageOf } from '../domain/error-codes.js';
import { loadAddon, type Addon } from './load-addon.js';

/** Hears that a pair is given back, before anything else happens in this process; it has to end it. */
export interface PairOwner {
  onRead(bytes: Buffer): void;
  onUnsent(bytes: Buffer): void;
}

/** Two sockets that events pass between. */
export class SocketPair {
  constructor(
    readonly owner: PairOwner,
    readonly relay: Addon.EventRelay,
    readonly number: number,
  ) {}

  get events(): number {
    return this.relay.events(this.number);
  }

  /** Throws when it has been ended. */
  end(): { events: number; sinceMs: number } {
    const [events, sinceMs] = this.relay.end(this.number);
    return { events, sinceMs };
  }
}

export class NativeEventRelay {
  readonly #buffer = Buffer.allocUnsafeSlow(64 * 1024);
  readonly #relay: Addon.EventRelay;
  /** By number; those that were ended stay until their number is used again. */
  readonly #pairs: SocketPair[] = [];

  /** `words`: what makes an event worth reading. Throws where the addon does not load. */
  constructor(words: readonly string[]) {
    const { EventRelay } = loadAddon();
    this.#relay = new EventRelay(words, this.#buffer, (pair, begin, end, unsent) => {
      const { owner } = this.#pairs[pair] as SocketPair;
      const bytes = this.#buffer.subarray(begin, end);
      if (unsent) owner.onUnsent(bytes);
      else owner.onRead(bytes);
    });
  }

  /** See `EventRelay` in native/addon.d.ts; `null` when the kernel refuses. */
  begin(
    engine: number,
    client: number,
    sinceMs: number,
    gaps: Float64Array,
    owner: PairOwner,
  ): SocketPair | null {
    const number = this.#relay.begin(engine, client, sinceMs, gaps);
    if (number < 0) return null;
    return (this.#pairs[number] = new SocketPair(owner, this.#relay, number));
  }
}

/** `null` where the addon does not load: the gateway then carries every event itself. */
export function openEventRelay(words: readonly string[], logger: Logger): NativeEventRelay | null {
  try {
    return new NativeEventRelay(words);
  } catch (error) {
    logger.warn({ reason: messageOf(error) }, 'no native relay of events; they take more CPU');
    return null;
  }
}
