import type { EndpointState } from '../domain/endpoint.js';

/** One request as placement sees it: a chain of block keys and token counts, never text. */
export interface PlacementRequest {
  id: string;
  /** Prompt tokens; may be an estimate. */
  tokens: number;
  /** Chained block hashes, integers below 2^53, 512 tokens each; empty places by load. */
  chain: readonly number[];
  /** Explicit session; beats the chain's key. */
  sessionKey?: string;
  /** Endpoints this request has already tried. */
  exclude?: ReadonlySet<string>;
}

/** Also log field and metric label. */
export type PlacementOutcome = 'home' | 'remembered' | 'spilled' | 'capped' | 'none-eligible';

export interface PlacementDecision {
  /** Chosen endpoint, recorded as in flight; `null` when the outcome is `capped` or `none-eligible`. */
  endpoint: string | null;
  outcome: PlacementOutcome;
  /** First endpoint on the ring for the key, eligible or not; `null` on an empty ring. */
  home: string | null;
  /** One sentence for errors and `Explain`. */
  reason: string;
}

/** What the gateway asks of placement, for one model. Pure and synchronous. */
export interface ModelPlacement {
  /** Adds or updates an endpoint; a new incarnation clears what is remembered of it. */
  upsert(state: EndpointState): void;
  leave(endpointId: string): void;
  /** Chooses and records in one step. */
  decide(request: PlacementRequest, nowMs: number): PlacementDecision;
  firstToken(requestId: string, nowMs: number, cachedTokens?: number): void;
  /** Ends the lease; exactly once, later calls are ignored. */
  done(requestId: string, nowMs: number): void;
  /** Connection errors, 5xx and time-outs feed the breaker; success closes it. */
  reportFailure(endpointId: string, nowMs: number): void;
  reportSuccess(endpointId: string, nowMs: number): void;
  /** Concurrent requests by endpoint id. */
  inFlight(): ReadonlyMap<string, number>;
}
