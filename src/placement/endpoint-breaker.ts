export interface BreakerOptions {
  /** Share of failures that opens it, 0..1, once `minimumRequests` were seen in the window. Source documents: 50 %. */
  failureRatio: number;
  /** Source documents: 10. */
  minimumRequests: number;
  /** Failures without a success between them that open it at once. Source documents: 5. */
  consecutiveFailures: number;
  /** Window of the ratio, ms. */
  windowMs: number;
  /** First wait before a probe, ms; doubles with each failed probe. */
  openMs: number;
  /** Longest wait, ms. Source documents: 60 s. */
  maxOpenMs: number;
}

/**
 * The source documents wait 60 s between regions. Here the agent reports most faults, so an open breaker usually means
 * a refused connection of a restarting process, and a probe costs one request that is rerouted before its first byte:
 * 5 s first, doubling up to the documents' 60 s.
 */
export const defaultBreakerOptions: Readonly<BreakerOptions> = {
  failureRatio: 0.5,
  minimumRequests: 10,
  consecutiveFailures: 5,
  windowMs: 30_000,
  openMs: 5_000,
  maxOpenMs: 60_000,
};

export type BreakerState = 'closed' | 'open' | 'half-open';

/**
 * Stops sending to an endpoint that keeps failing, faster than its agent or `/health` can say so. After a wait exactly
 * one request goes as a probe; only its outcome closes or opens the breaker, never that of a request from before.
 */
export class EndpointBreaker {
  readonly #options: BreakerOptions;
  #openedAtMs: number | null = null;
  #waitMs: number;
  /** The request whose outcome decides; stays when it ends before its outcome is reported. */
  #probe: string | null = null;
  #probeUnderWay = false;
  #inARow = 0;
  /** Two half windows, so that old outcomes leave without a list of them. */
  #current = { requests: 0, failures: 0 };
  #previous = { requests: 0, failures: 0 };
  #windowStartMs = 0;

  constructor(options: BreakerOptions) {
    this.#options = options;
    this.#waitMs = options.openMs;
  }

  state(nowMs: number): BreakerState {
    if (this.#openedAtMs === null) return 'closed';
    return nowMs - this.#openedAtMs >= this.#waitMs ? 'half-open' : 'open';
  }

  /** Whether a request may go now: closed, or half-open without a probe under way. */
  admits(nowMs: number): boolean {
    if (this.#openedAtMs === null) return true;
    return !this.#probeUnderWay && nowMs - this.#openedAtMs >= this.#waitMs;
  }

  /** A request was placed; in half-open it is the probe. */
  placed(requestId: string, nowMs: number): void {
    if (this.#openedAtMs === null || !this.admits(nowMs)) return;
    this.#probe = requestId;
    this.#probeUnderWay = true;
  }

  /** The probe ended without an outcome (client gone): the next request may probe. */
  ended(requestId: string): void {
    if (this.#probe === requestId) this.#probeUnderWay = false;
  }

  /** Without a request id the outcome counts as the probe's when there is one. */
  failed(nowMs: number, requestId?: string): void {
    if (this.#openedAtMs !== null) {
      if (this.#isProbe(requestId)) this.#open(nowMs, Math.min(this.#options.maxOpenMs, this.#waitMs * 2));
      return;
    }
    this.#count(nowMs, 1);
    this.#inARow += 1;
    if (this.#inARow >= this.#options.consecutiveFailures || this.#ratioReached()) {
      this.#open(nowMs, this.#options.openMs);
    }
  }

  succeeded(nowMs: number, requestId?: string): void {
    if (this.#openedAtMs === null) {
      this.#inARow = 0;
      this.#count(nowMs, 0);
    } else if (this.#isProbe(requestId)) {
      this.#reset();
    }
  }

  #isProbe(requestId: string | undefined): boolean {
    return this.#probe !== null && (requestId === undefined || requestId === this.#probe);
  }

  #ratioReached(): boolean {
    const requests = this.#current.requests + this.#previous.requests;
    const failures = this.#current.failures + this.#previous.failures;
    return requests >= this.#options.minimumRequests && failures >= this.#options.failureRatio * requests;
  }

  #count(nowMs: number, failures: number): void {
    const halfMs = this.#options.windowMs / 2;
    const ageMs = nowMs - this.#windowStartMs;
    if (ageMs >= halfMs) {
      this.#previous = ageMs < 2 * halfMs ? this.#current : { requests: 0, failures: 0 };
      this.#current = { requests: 0, failures: 0 };
      this.#windowStartMs = nowMs;
    }
    this.#current.requests += 1;
    this.#current.failures += failures;
  }

  #open(nowMs: number, waitMs: number): void {
    this.#reset();
    this.#openedAtMs = nowMs;
    this.#waitMs = waitMs;
  }

  #reset(): void {
    this.#openedAtMs = null;
    this.#waitMs = this.#options.openMs;
    this.#probe = null;
    this.#probeUnderWay = false;
    this.#inARow = 0;
    this.#current = { requests: 0, failures: 0 };
    this.#previous = { requests: 0, failures: 0 };
  }
}
