import type { EndpointState } from '../domain/endpoint.js';

/** One request as placement sees it: a chain of block keys and token counts, never text. */
export interface PlacementRequest {
  id: string;
  /** Prompt tokens; may be an estimate. */
  tokens: number;
  /** Chained block hashes, integers below 2^53, 512 tokens each; empty places by load. */
  chain: readonly number[];
  /** Explicit session; beats the chain's key. */
  sessionKey?: string | undefined;
  /** Of the client's request, the same over all attempts; agents tell a request that kills engines by it. */
  requestId?: string | undefined;
  /** Its first token will be told when it comes; `false` where the answer comes in one piece, and the telling with it. */
  streams?: boolean;
  /** Endpoints this request has already tried. */
  exclude?: ReadonlySet<string>;
  /** The one endpoint that may take it: it keeps what the request refers to. */
  only?: string | undefined;
  /** Model or adapter that the endpoint must list among those it serves; absent asks nothing. */
  servedName?: string;
}

/** A request that another coordinator placed. */
export interface ObservedRequest extends PlacementRequest {
  /** As its coordinator predicted; absent: predicted here. */
  uncachedTokens?: number;
  /** It had its first token already. */
  started?: boolean;
  /** It has ended already: it counts in memory and shares, and in no load. */
  ended?: { cachedTokens: number | undefined } | undefined;
}

/** A request recorded as in flight by a decision made here. */
export interface PlacedLease {
  id: string;
  /** Empty where the request did not tell. */
  requestId: string;
  endpointId: string;
  tokens: number;
  uncachedTokens: number;
  chain: readonly number[];
  streams: boolean;
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
  /** Placed by another coordinator: counts here as well. */
  observe(request: ObservedRequest, endpointId: string, nowMs: number): void;
  firstToken(requestId: string, nowMs: number, cachedTokens?: number): void;
  /** Ends the lease; exactly once, later calls are ignored. */
  done(requestId: string, nowMs: number): void;
  /** Connection errors, 5xx and time-outs feed the breaker; success closes it. */
  reportFailure(endpointId: string, nowMs: number, requestId?: string): void;
  /** With a request id, only the probe's own outcome moves a breaker that is not closed. */
  reportSuccess(endpointId: string, nowMs: number, requestId?: string): void;
  /** Concurrent requests by endpoint id. */
  inFlight(): ReadonlyMap<string, number>;
  /** What `decide` would do, and why; changes nothing. */
  explain(request: PlacementRequest, nowMs: number): PlacementExplanation;
}

/** A dry run in full, for `Explain` and for debugging headers. */
export interface PlacementExplanation extends PlacementDecision {
  strategy: string;
  /** Index of the block that stands for the prompt, `null` without text. */
  keyIndex: number | null;
  /** Ring candidates and holders with their costs, in the order looked at; empty for strategies without costs. */
  candidates: readonly ExplainedCandidate[];
  refused: readonly { endpoint: string; refusal: string; reason: string }[];
}

/** One candidate of a decision; tokens throughout. */
export interface ExplainedCandidate {
  endpoint: string;
  /** Steps clockwise among the eligible; the number of ring candidates for a holder farther away. */
  rank: number;
  /** Leading blocks of the prompt it is thought to hold. */
  depth: number;
  uncachedTokens: number;
  /** Some of them are the prompt's own, not everybody's. */
  holdsOwn: boolean;
  work: number;
  bound: number;
  admitted: boolean;
  cost: number;
}

/** Told of what happens, for metrics and for other coordinators; placement itself knows neither. */
export interface PlacementObserver {
  decided?(outcome: PlacementOutcome): void;
  refused?(refusal: string): void;
  /** Of decisions made here, never of observed requests. Exactly one `released` follows. */
  placed?(lease: PlacedLease): void;
  firstToken?(requestId: string, cachedTokens?: number): void;
  released?(requestId: string): void;
}
