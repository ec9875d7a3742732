import type { Trace } from './prefix-memory.js';

/** Work in flight on one incarnation of an endpoint; the three sums are integers >= 0. */
export interface EndpointLoad {
  /** P: predicted uncached tokens of requests without a first token. */
  queuedTokens: number;
  /** K: prompt tokens of all requests in flight. */
  contextTokens: number;
  /** Requests in flight. */
  requests: number;
  /** Leases without a first token, in the order of placing: the first is what the engine is thought to work on. */
  readonly waiting: Set<Lease>;
  /** Since when the engine is thought to work on the first of them, ms. */
  headSinceMs: number;
}

export interface Lease {
  readonly requestId: string;
  readonly endpointId: string;
  readonly load: EndpointLoad;
  readonly tokens: number;
  readonly uncachedTokens: number;
  /** What was known of the chain there when it was placed. */
  readonly trace: Trace;
  readonly placedAtMs: number;
  /** Its cached tokens were reported and taken in. */
  hasTaught: boolean;
  /** Placed by another coordinator. */
  readonly observed: boolean;
  /** Was past its first token when it was taken: it waits for nothing. */
  readonly started: boolean;
}

export function emptyLoad(): EndpointLoad {
  return { queuedTokens: 0, contextTokens: 0, requests: 0, waiting: new Set(), headSinceMs: 0 };
}

/** A prefill that ended. `elapsedMs` is `null` where it was not the first in line: the time is in the others' samples. */
export interface FinishedPrefill {
  elapsedMs: number | null;
}

/**
 * Leases, not counters: load is what live leases add up to. A lease is released exactly once and gives back exactly
 * what it took, from the load object it took it from, so that neither a second `done` nor an endpoint that left, came
 * back or restarted in between can drive a load below zero.
 */
export class WorkLedger {
  readonly #leases = new Map<string, Lease>();

  get size(): number {
    return this.#leases.size;
  }

  get(requestId: string): Lease | undefined {
    return this.#leases.get(requestId);
  }

  /** A request that is still recorded elsewhere under this id moves: its former lease is released first. */
  take(lease: Lease): void {
    this.release(lease.requestId, lease.placedAtMs);
    const { load } = lease;
    this.#leases.set(lease.requestId, lease);
    load.requests += 1;
    load.contextTokens += lease.tokens;
    if (lease.started) return;
    if (load.waiting.size === 0) load.headSinceMs = lease.placedAtMs;
    load.waiting.add(lease);
    load.queuedTokens += lease.uncachedTokens;
  }

  /** The prefill is over; `null` when the lease is unknown or had its first token already. */
  firstToken(requestId: string, nowMs: number): FinishedPrefill | null {
    const lease = this.#leases.get(requestId);
    if (!lease?.load.waiting.has(lease)) return null;
    const elapsedMs = headOf(lease.load) === lease ? Math.max(0, nowMs - lease.load.headSinceMs) : null;
    this.#endWaiting(lease, nowMs);
    return { elapsedMs };
  }

  /** `null` when there is nothing to release (any more). */
  release(requestId: string, nowMs: number): Lease | null {
    const lease = this.#leases.get(requestId);
    if (!lease) return null;
    this.#leases.delete(requestId);
    lease.load.requests -= 1;
    lease.load.contextTokens -= lease.tokens;
    if (lease.load.waiting.has(lease)) this.#endWaiting(lease, nowMs);
    return lease;
  }

  #endWaiting(lease: Lease, nowMs: number): void {
    const { load } = lease;
    if (headOf(load) === lease) load.headSinceMs = nowMs;
    load.waiting.delete(lease);
    load.queuedTokens -= lease.uncachedTokens;
  }
}

export function headOf(load: EndpointLoad): Lease | undefined {
  for (const lease of load.waiting) return lease;
  return undefined;
}
