/**
 * What carries the events of a stream from an engine's socket to its client's without a word of JavaScript, as long as nothing
 * in them has to be read: two sockets are lent, and come back with the first bytes that are for us. Made by the composition root.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

export interface EventRelay {
  /**
   * Nobody else reads `engine` or writes to `client` (descriptors) before `end`. `sinceMs`: since the last event. Gaps between
   * arrivals are counted up in `gaps` (`HistogramSeries.values`). `null`: not now.
   */
  begin(
    engine: number,
    client: number,
    sinceMs: number,
    gaps: Float64Array,
    lender: SocketLender,
  ): LentPair | null;
}

export interface LentPair {
  /** Relayed so far. */
  readonly events: number;
  /** Both sockets are ours again. */
  end(): { events: number; sinceMs: number };
}

/** Hears that the relay is done with the pair, which it then ends. */
export interface SocketLender {
  /** The bytes came from the engine and are lent for the call; none: its socket has something else to say. */
  onRead(bytes: Buffer): void;
  /** What the client did not take; lent for the call. */
  onUnsent(bytes: Buffer): void;
}

/** `null` where bytes do not pass the descriptor as they are. */
export function descriptorOf(socket: Socket): number | null {
  if (socket instanceof TLSSocket || socket.destroyed || socket.writableLength > 0) return null;
  // Node says it nowhere else; without it everything stays in JavaScript.
  const fd = (socket as { _handle?: { fd?: unknown } | null })._handle?.fd;
  return typeof fd === 'number' && fd >= 0 ? fd : null;
}
