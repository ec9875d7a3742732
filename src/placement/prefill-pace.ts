import type { EndpointLoad } from './work-ledger.js';

/** Tokens after which the past counts half: 10 to 20 s of prefill on one GPU, so that a slowed one is seen in that time. */
const halvingTokens = 200_000;

/**
 * How fast an endpoint prefills, from the times between first tokens. Engines prefill in order of arrival, so the time
 * from one first token to the next belongs to the request that was first in line. Two uses: what the engine has done
 * of the first in line is no longer work to wait for, and an endpoint slower than the others costs more per token.
 */
export class PrefillPace {
  #tokens = 0;
  #elapsedMs = 0;

  /** Tokens computed in the sample; `elapsedMs` null adds tokens to time that is already counted. */
  add(tokens: number, elapsedMs: number | null): void {
    this.#tokens += tokens;
    this.#elapsedMs += elapsedMs ?? 0;
    if (this.#tokens < halvingTokens) return;
    this.#tokens /= 2;
    this.#elapsedMs /= 2;
  }

  /** Uncached tokens per ms; `null` before the first sample. */
  get tokensPerMs(): number | null {
    return this.#tokens > 0 && this.#elapsedMs > 0 ? this.#tokens / this.#elapsedMs : null;
  }

  /** Shrunk towards what is expected: one odd sample must not decide, and an endpoint that says nothing gets slower. */
  blended(expectedPerMs: number, priorTokens: number, load: EndpointLoad, nowMs: number): number {
    const { head } = load;
    const headMs = head ? nowMs - load.headSinceMs : 0;
    const tokens = this.#tokens + priorTokens;
    const elapsedMs = this.#elapsedMs + priorTokens / expectedPerMs;
    const seen = tokens / elapsedMs;
    if (!head) return seen;
    const before = head.uncachedTokens + load.unseenTokens + load.unsampledTokens;
    if (headMs * seen <= before) return seen;
    return (tokens + before) / (elapsedMs + headMs);
  }
}

/** P less what the engine has probably done of the request it is working on. */
export function remainingTokens(load: EndpointLoad, tokensPerMs: number | null, nowMs: number): number {
  const { head } = load;
  if (!head || tokensPerMs === null) return load.queuedTokens;
  return (
    load.queuedTokens - Math.min(head.uncachedTokens, tokensPerMs * Math.max(0, nowMs - load.headSinceMs))
  );
}
