/** Arrivals are counted over the last one to two of these. */
const bucketMs = 1_000;

/**
 * How much work other coordinators place. It is heard of some 25 ms late, so at hundreds of requests a second several are
 * always under way unseen: the more, the less an endpoint's load says, and the more a request had better stay at home.
 */
export class UnseenArrivals {
  #bucketAtMs = -Infinity;
  #tokens = 0;
  #tokensBefore = 0;

  /** Another coordinator placed that many uncached tokens. */
  observed(uncachedTokens: number, nowMs: number): void {
    this.#advanceTo(nowMs);
    this.#tokens += uncachedTokens;
  }

  /** Uncached tokens per ms that others place on all endpoints together; 0 while nobody else does. */
  tokensPerMs(nowMs: number): number {
    this.#advanceTo(nowMs);
    const elapsedMs = Math.min(bucketMs, Math.max(0, nowMs - this.#bucketAtMs));
    return (this.#tokensBefore + this.#tokens) / (bucketMs + elapsedMs);
  }

  /** What is told late happened before now: it belongs to the bucket that is open. */
  #advanceTo(nowMs: number): void {
    const elapsedMs = nowMs - this.#bucketAtMs;
    if (elapsedMs < bucketMs) return;
    const follows = elapsedMs < 2 * bucketMs;
    this.#tokensBefore = follows ? this.#tokens : 0;
    this.#tokens = 0;
    this.#bucketAtMs = follows ? this.#bucketAtMs + bucketMs : nowMs;
  }
}
