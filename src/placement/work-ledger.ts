/** Work in flight on one incarnation of an endpoint; all members are integers >= 0. */
export interface EndpointLoad {
  /** P: predicted uncached tokens of requests without a first token. */
  queuedTokens: number;
  /** K: prompt tokens of all requests in flight. */
  contextTokens: number;
  /** Requests in flight. */
  requests: number;
}

export interface Lease {
  readonly requestId: string;
  readonly endpointId: string;
  readonly load: EndpointLoad;
  readonly tokens: number;
  readonly uncachedTokens: number;
  readonly placedAtMs: number;
  /** Leading blocks thought to be cached when placed. */
  readonly depth: number;
  hasFirstToken: boolean;
}

export function emptyLoad(): EndpointLoad {
  return { queuedTokens: 0, contextTokens: 0, requests: 0 };
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
    this.release(lease.requestId);
    this.#leases.set(lease.requestId, lease);
    lease.load.requests += 1;
    lease.load.contextTokens += lease.tokens;
    lease.load.queuedTokens += lease.uncachedTokens;
  }

  /** The prefill is over; `null` when the lease is unknown or had its first token already. */
  firstToken(requestId: string): Lease | null {
    const lease = this.#leases.get(requestId);
    if (!lease || lease.hasFirstToken) return null;
    lease.hasFirstToken = true;
    lease.load.queuedTokens -= lease.uncachedTokens;
    return lease;
  }

  /** `null` when there is nothing to release (any more). */
  release(requestId: string): Lease | null {
    const lease = this.#leases.get(requestId);
    if (!lease) return null;
    this.#leases.delete(requestId);
    lease.load.requests -= 1;
    lease.load.contextTokens -= lease.tokens;
    if (!lease.hasFirstToken) lease.load.queuedTokens -= lease.uncachedTokens;
    return lease;
  }
}
