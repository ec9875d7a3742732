/**
 * Requests and tokens per minute. A request reserves what it may use (its prompt and the most it may generate) in every
 * scope at once, or in none; when it has ended the difference to what it used is settled. Token buckets: a minute's
 * worth can be spent at once, and comes back evenly.
 */
import type { Clock } from '../../runtime/clock.js';

export interface RateScope {
  /** `key:ID` or `tenant:ID`. */
  name: string;
  /** `null`: not limited. */
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
}

export type RateDecision =
  { granted: true } | { granted: false; scope: string; what: 'requests' | 'tokens'; retryAfterMs: number };

export interface RateStore {
  reserve(scopes: readonly RateScope[], tokens: number): RateDecision | Promise<RateDecision>;
  /** Gives back (or, below zero, takes) tokens; a debt is paid by waiting. */
  settle(scopes: readonly RateScope[], unusedTokens: number): void;
}

interface Bucket {
  requests: number;
  tokens: number;
  atMs: number;
}

const minuteMs = 60_000;
/** A bucket nobody has asked for in ten minutes is full unless in deep debt; beyond this many they are looked through. */
const manyBuckets = 100_000;
const forgetAfterMs = 10 * minuteMs;

/** One process's own buckets. */
export class MemoryRateStore implements RateStore {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  constructor(
    clock: Clock,
    readonly publish?: (scopes: readonly RateScope[], tokens: number, settles: boolean) => void,
  ) {
    this.#clock = clock;
  }

  reserve(scopes: readonly RateScope[], tokens: number): RateDecision {
    const buckets = scopes.map((scope) => this.#refilled(scope));
    for (const [i, scope] of scopes.entries()) {
      const short = shortage(scope, buckets[i] as Bucket, tokens);
      if (short !== null) return { granted: false, scope: scope.name, ...short };
    }
    for (const bucket of buckets) {
      bucket.requests -= 1;
      bucket.tokens -= tokens;
    }
    this.publish?.(scopes, tokens, false);
    return { granted: true };
  }

  settle(scopes: readonly RateScope[], unusedTokens: number): void {
    this.observe(scopes, unusedTokens, true);
    this.publish?.(scopes, unusedTokens, true);
  }

  /** What another process took from the same scopes, or (`settles`) gave back. */
  observe(scopes: readonly RateScope[], tokens: number, settles: boolean): void {
    for (const scope of scopes) {
      const bucket = this.#refilled(scope);
      if (!settles) bucket.requests -= 1;
      bucket.tokens += settles ? tokens : -tokens;
    }
  }

  #refilled(scope: RateScope): Bucket {
    const nowMs = this.#clock.monotonicMs();
    const [requests, tokens] = [scope.requestsPerMinute ?? 0, scope.tokensPerMinute ?? 0];
    let bucket = this.#buckets.get(scope.name);
    if (bucket === undefined) {
      if (this.#buckets.size >= manyBuckets) this.#forget(nowMs);
      bucket = { requests, tokens, atMs: nowMs };
      this.#buckets.set(scope.name, bucket);
      return bucket;
    }
    const share = (nowMs - bucket.atMs) / minuteMs;
    bucket.requests = Math.min(requests, bucket.requests + share * requests);
    bucket.tokens = Math.min(tokens, bucket.tokens + share * tokens);
    bucket.atMs = nowMs;
    return bucket;
  }

  #forget(nowMs: number): void {
    for (const [name, { atMs }] of this.#buckets)
      if (nowMs - atMs > forgetAfterMs) this.#buckets.delete(name);
  }
}

/** A request larger than the whole bucket passes when the bucket is full, or it never would. */
function shortage(
  { requestsPerMinute, tokensPerMinute }: RateScope,
  bucket: Bucket,
  tokens: number,
): { what: 'requests' | 'tokens'; retryAfterMs: number } | null {
  if (requestsPerMinute !== null && bucket.requests < 1 - tolerance)
    return { what: 'requests', retryAfterMs: ((1 - bucket.requests) / requestsPerMinute) * minuteMs };
  if (tokensPerMinute === null) return null;
  const needed = Math.min(tokens, tokensPerMinute);
  if (bucket.tokens >= needed - tolerance) return null;
  return { what: 'tokens', retryAfterMs: ((needed - bucket.tokens) / tokensPerMinute) * minuteMs };
}

/** Refilling by shares of a minute leaves crumbs. */
const tolerance = 1e-6;
