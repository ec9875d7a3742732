/**
 * A token bucket over all requests: each request puts in a share of a retry, each retry takes one out. When every
 * engine refuses, retries then add 10 % to the load instead of multiplying it.
 */
import type { Clock } from '../../runtime/clock.js';

export interface RetryBudgetOptions {
  /** Retries earned per request, 0..1. */
  ratio: number;
  clock: Clock;
}

/** So much is always there after a quiet time, or a gateway with few requests could never retry at all. */
export const minimumRetries = 10;
/** A quiet time of ten seconds fills the minimum up again. */
const minimumRetriesPerSecond = 1;
/** What a long good time can save up: the retries of the last 5,000 requests at 10 %. */
const maximumRetries = 500;

export class RetryBudget {
  readonly #options: RetryBudgetOptions;
  #tokens = minimumRetries;
  #refilledAtMs: number;

  constructor(options: RetryBudgetOptions) {
    this.#options = options;
    this.#refilledAtMs = options.clock.monotonicMs();
  }

  deposit(): void {
    this.#tokens = Math.min(maximumRetries, this.#tokens + this.#options.ratio);
  }

  /** Takes one retry; false when the budget is spent. A ratio of 0 turns retries off. */
  take(): boolean {
    if (this.#options.ratio === 0) return false;
    this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #refill(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const earned = ((nowMs - this.#refilledAtMs) / 1000) * minimumRetriesPerSecond;
    this.#refilledAtMs = nowMs;
    if (this.#tokens < minimumRetries) this.#tokens = Math.min(minimumRetries, this.#tokens + earned);
  }
}
