/** What the rule found wrong; also the label of a metric. */
export const healthBreaches = ['errors', 'ttft'] as const;
export type HealthBreach = (typeof healthBreaches)[number];

export interface HealthRuleOptions {
  /** Share of failed attempts in the window above which an endpoint is in breach, 0..1. Source documents: 1 %. */
  errorRatio: number;
  /** Limit of the p99 of the time to first token, ms; `null` asks nothing. Source documents: 500 ms. */
  ttftP99Ms: number | null;
  /** Source documents: 5 min. */
  windowMs: number;
  /** Attempts, and first tokens, below which nothing is said: at 100 one failure is 1 % and no breach, two are one. */
  minimumRequests: number;
}

/**
 * The time to first token grows with the prompt, and a limit that fits one model would put half of another's endpoints
 * in breach: it is set per model, or not at all.
 */
export const defaultHealthRule: Readonly<HealthRuleOptions> = {
  errorRatio: 0.01,
  ttftP99Ms: null,
  windowMs: 5 * 60_000,
  minimumRequests: 100,
};

/** A window of so many slices, so that old outcomes leave without a list of them. */
const slices = 10;
const beyondP99 = 0.01;

interface Slice {
  number: number;
  attempts: number;
  failures: number;
  firstTokens: number;
  /** Later than the limit. */
  lateTokens: number;
}

/**
 * The health rule of the source documents, for one incarnation of an endpoint: it is in breach while more than 1 % of its
 * attempts of the last five minutes failed, or its p99 TTFT is over a limit. A breach costs weight, not the place on the
 * ring: weights are shares, so where every endpoint is in breach nothing changes, and never are all of them out.
 */
export class HealthRule {
  readonly #options: HealthRuleOptions;
  readonly #ring: Slice[] = Array.from({ length: slices }, emptySlice);
  /** Newest slice with a failure or a late token. Most endpoints have none in the window, and need no sums. */
  #lastBad = -Infinity;

  constructor(options: HealthRuleOptions) {
    this.#options = options;
  }

  attempted(nowMs: number, failed: boolean): void {
    const slice = this.#sliceAt(nowMs);
    slice.attempts += 1;
    if (!failed) return;
    slice.failures += 1;
    this.#lastBad = slice.number;
  }

  firstToken(nowMs: number, ttftMs: number): void {
    const slice = this.#sliceAt(nowMs);
    slice.firstTokens += 1;
    if (ttftMs <= (this.#options.ttftP99Ms ?? Infinity)) return;
    slice.lateTokens += 1;
    this.#lastBad = slice.number;
  }

  /** p99 > limit says that more than one in a hundred came later: no histogram is needed. */
  breach(nowMs: number): HealthBreach | null {
    const { errorRatio, minimumRequests } = this.#options;
    const oldest = this.#numberAt(nowMs) - slices;
    if (this.#lastBad <= oldest) return null;
    const sum = emptySlice();
    for (const slice of this.#ring) {
      if (slice.number <= oldest) continue;
      sum.attempts += slice.attempts;
      sum.failures += slice.failures;
      sum.firstTokens += slice.firstTokens;
      sum.lateTokens += slice.lateTokens;
    }
    if (sum.attempts >= minimumRequests && sum.failures > errorRatio * sum.attempts) return 'errors';
    if (sum.firstTokens >= minimumRequests && sum.lateTokens > beyondP99 * sum.firstTokens) return 'ttft';
    return null;
  }

  #numberAt(nowMs: number): number {
    return Math.floor((nowMs * slices) / this.#options.windowMs);
  }

  #sliceAt(nowMs: number): Slice {
    const number = this.#numberAt(nowMs);
    const at = ((number % slices) + slices) % slices;
    const slice = this.#ring[at]!;
    // Time given by another coordinator's news may lie a little back: what it belongs to is gone, the present takes it.
    if (slice.number >= number) return slice;
    return (this.#ring[at] = { ...emptySlice(), number });
  }
}

function emptySlice(): Slice {
  return { number: -Infinity, attempts: 0, failures: 0, firstTokens: 0, lateTokens: 0 };
}
