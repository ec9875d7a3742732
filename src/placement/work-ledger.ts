import type { Trace } from './prefix-memory.js';

/** Work in flight on one incarnation of an endpoint; the three sums are integers >= 0. */
export interface EndpointLoad {
  /** P: predicted uncached tokens of requests without a first token. */
  queuedTokens: number;
  /** K: prompt tokens of all requests in flight. */
  contextTokens: number;
  /** Requests in flight. */
  requests: number;
  /** Leases without a first token, in the order of placing. */
  readonly waiting: Set<Lease>;
  /** The first of them: what the engine is thought to work on. */
  head: Lease | undefined;
  /** The same of answers that come in one piece: nobody sees their first token, so it is inferred. */
  readonly unseen: Set<Lease>;
  /** P of those. */
  unseenTokens: number;
  /** Prefilled for them since `headSinceMs`: belongs to the next sample of the pace. */
  unsampledTokens: number;
  /** Since when the engine is thought to work on the head, ms. */
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
  /** Its first token will be told when it comes; otherwise only with the whole answer. */
  readonly streams: boolean;
  /** When its prefill is thought to be over; only asked where it does not stream. */
  readonly prefillEndMs: number;
  /** Was past its first token when it was taken: it waits for nothing. */
  readonly started: boolean;
}

export function emptyLoad(): EndpointLoad {
  return {
    queuedTokens: 0,
    contextTokens: 0,
    requests: 0,
    waiting: new Set(),
    head: undefined,
    unseen: new Set(),
    unseenTokens: 0,
    unsampledTokens: 0,
    headSinceMs: 0,
  };
}

/**
 * A prefill that ended. `elapsedMs` is `null` where it was not the first in line: the time is in the others' samples.
 * `unseenTokens` were prefilled in the same time for requests whose first token is not seen.
 */
export interface FinishedPrefill {
  elapsedMs: number | null;
  unseenTokens: number;
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
    load.queuedTokens += lease.uncachedTokens;
    if (!lease.streams) {
      load.unseen.add(lease);
      load.unseenTokens += lease.uncachedTokens;
      return;
    }
    load.waiting.add(lease);
    if (load.head === undefined) this.#restart(load, lease.placedAtMs);
  }

  /**
   * The prefill is over; `null` when the lease is unknown, had its first token already, or does not stream: then the time is
   * that of the whole answer and says nothing of prefill. Engines prefill in order of arrival, so whoever came before and is
   * not seen is past it as well.
   */
  firstToken(requestId: string, nowMs: number): FinishedPrefill | null {
    const lease = this.#leases.get(requestId);
    if (!lease) return null;
    const { load } = lease;
    if (load.unseen.has(lease)) this.#endUnseen(lease);
    if (!load.waiting.has(lease)) return null;
    for (const earlier of load.unseen)
      if (earlier.placedAtMs < lease.placedAtMs) this.#endUnseen(earlier);
      else break;
    const isHead = load.head === lease;
    const elapsedMs = isHead ? Math.max(0, nowMs - load.headSinceMs) : null;
    const unseenTokens = isHead ? load.unsampledTokens : 0;
    this.#endWaiting(lease, nowMs);
    return { elapsedMs, unseenTokens };
  }

  /** Ends the waiting of those whose prefill must be over by now, as far as one can tell without seeing it. */
  settle(load: EndpointLoad, nowMs: number): void {
    for (const lease of load.unseen)
      if (lease.prefillEndMs <= nowMs) this.#endUnseen(lease);
      else break;
  }

  /** `null` when there is nothing to release (any more). */
  release(requestId: string, nowMs: number): Lease | null {
    const lease = this.#leases.get(requestId);
    if (!lease) return null;
    this.#leases.delete(requestId);
    lease.load.requests -= 1;
    lease.load.contextTokens -= lease.tokens;
    if (lease.load.waiting.has(lease)) this.#endWaiting(lease, nowMs);
    else if (lease.load.unseen.has(lease)) this.#endUnseen(lease);
    return lease;
  }

  #endWaiting(lease: Lease, nowMs: number): void {
    const { load } = lease;
    load.waiting.delete(lease);
    if (load.head === lease) this.#restart(load, nowMs);
    load.queuedTokens -= lease.uncachedTokens;
  }

  #endUnseen(lease: Lease): void {
    const { load, uncachedTokens } = lease;
    load.unseen.delete(lease);
    load.queuedTokens -= uncachedTokens;
    load.unseenTokens -= uncachedTokens;
    if (load.head !== undefined) load.unsampledTokens += uncachedTokens;
  }

  #restart(load: EndpointLoad, nowMs: number): void {
    [load.head] = load.waiting;
    load.headSinceMs = nowMs;
    load.unsampledTokens = 0;
  }
}
