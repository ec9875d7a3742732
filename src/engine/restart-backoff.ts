import { backoffMs } from '../runtime/backoff.js';

export interface RestartBackoffOptions {
  baseMs: number;
  capMs: number;
  stableMs: number;
  random?: () => number;
}

/**
 * How long to wait before the next start. One death of an engine that served costs no wait at all, for its clients do the
 * waiting; repeated deaths wait longer each time, and time spent ready wipes the slate.
 */
export class RestartBackoff {
  readonly #options: RestartBackoffOptions;
  #failures = 0;

  constructor(options: RestartBackoffOptions) {
    this.#options = options;
  }

  get failures(): number {
    return this.#failures;
  }

  /** `readyForMs` is `null` for an engine that never became ready. Returns ms to wait. */
  next(readyForMs: number | null): number {
    if (readyForMs !== null && readyForMs >= this.#options.stableMs) this.#failures = 0;
    this.#failures += 1;
    if (readyForMs !== null && this.#failures === 1) return 0;
    const attempt = readyForMs === null ? this.#failures - 1 : this.#failures - 2;
    const { baseMs, capMs, random } = this.#options;
    return backoffMs(attempt, { baseMs, capMs, jitterRatio: 0.2, ...(random ? { random } : {}) });
  }

  reset(): void {
    this.#failures = 0;
  }
}
