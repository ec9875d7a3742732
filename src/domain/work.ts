/** Work in flight as coordinators and agents tell it to each other: leases and what happens to them. */

/** One request's place at one engine. */
export interface WorkLease {
  /** Unique within its coordinator. */
  id: string;
  /** Of the client's request, the same over all attempts; empty where not told. */
  requestId: string;
  engineId: string;
  /** Of the engine: a lease of a former one is void. */
  incarnation: string;
  /** Prompt tokens. */
  tokens: number;
  /** Those that are not expected in the engine's cache. */
  uncachedTokens: number;
  /** Packed block keys (`packChain`); agents pass them on unread. Empty where not told. */
  chain: Uint8Array;
  /** It had its first token. */
  started: boolean;
  /** Answered in one piece: its first token is told with the whole answer, if at all. */
  unstreamed: boolean;
}

/** `ageMs`: how long ago it happened when it was told. */
export type WorkEvent =
  | { kind: 'placed'; lease: WorkLease; ageMs: number }
  | { kind: 'first-token'; id: string; cachedTokens: number | null; ageMs: number }
  | { kind: 'done'; id: string; ageMs: number };

export interface CoordinatorWork {
  /** Epoch of the coordinator, random per process. */
  coordinator: string;
  /** How its block keys were made. */
  chainVersion: string;
  /** Of the seed that keys them; empty where not told. */
  seedFingerprint: string;
  events: WorkEvent[];
}

/** What an agent tells a coordinator of the work of the others. */
export interface WorkUpdate {
  /** Live leases are these and no others. */
  complete: boolean;
  work: CoordinatorWork[];
}

/** One message of a coordinator to an agent. */
export type WorkReport =
  | ({ kind: 'opening'; sequence: number; leases: WorkLease[] } & Omit<CoordinatorWork, 'events'>)
  | { kind: 'delta'; sequence: number; events: WorkEvent[] };

/** A lease as the agent of its engine knows it, for drains and the watchdog. */
export interface WorkInFlight {
  /** `coordinator/lease`. */
  leaseId: string;
  /** The same over all attempts at a request where its coordinator tells it, else the lease's. */
  requestId: string;
  engineId: string;
  tokens: number;
  /** Since it was placed, ms. */
  ageMs: number;
  /** It had its first token. */
  started: boolean;
  /** False while its coordinator is out of touch: it counts, and ends soon. */
  confirmed: boolean;
}

const twoTo32 = 2 ** 32;

/** Block keys, integers below 2^53, as little-endian 64-bit integers. */
export function packChain(chain: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(chain.length * 8);
  const view = new DataView(bytes.buffer);
  chain.forEach((key, i) => {
    view.setUint32(8 * i, key % twoTo32, true);
    view.setUint32(8 * i + 4, Math.floor(key / twoTo32), true);
  });
  return bytes;
}

/** Keys that are no integers below 2^53 end the chain: what follows them could not be compared. */
export function unpackChain(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chain: number[] = [];
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    const high = view.getUint32(at + 4, true);
    if (high >= 1 << 21) break;
    chain.push(high * twoTo32 + view.getUint32(at, true));
  }
  return chain;
}
