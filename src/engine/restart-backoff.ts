import { backoffMs } from '../runtime/backoff.js';
import type { Clock, Timer } from '../runtime/clock.js';

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
  readonly #clock: Clock;
  #failures = 0;
  #timer: Timer | null = null;

  constructor(options: RestartBackoffOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** True while a wait is under way. */
  get waiting(): boolean {
    return this.#timer !== null;
  }

  /** Failures in a row that count. */
  get failures(): number {
    return this.#failures;
  }

  /** Calls back when the wait is over, never at once. `fixedMs` waits just that. Returns the wait in ms, 0 for none. */
  schedule(readyForMs: number | null, callback: () => void, fixedMs: number | null = null): number {
    const waitMs = fixedMs ?? this.#waitMs(readyForMs);
    this.cancel();
    if (waitMs < 1) return 0;
    this.#timer = this.#clock.after(waitMs, () => {
      this.#timer = null;
      callback();
    });
    return waitMs;
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** `readyForMs` is `null` for an engine that never became ready. Returns ms to wait. */
  next(readyForMs: number | null): number {
    this.count(readyForMs, true);
    return this.#waitMs(readyForMs);
  }

  /** Counts one failure, unless it is the echo of one that has been counted. */
  count(readyForMs: number | null, isNew: boolean): void {
    if (readyForMs !== null && readyForMs >= this.#options.stableMs) this.#failures = 0;
    if (isNew || this.#failures === 0) this.#failures += 1;
  }

  #waitMs(readyForMs: number | null): number {
    if (readyForMs !== null && this.#failures <= 1) return 0;
    const attempt = Math.max(0, readyForMs === null ? this.#failures - 1 : this.#failures - 2);
    const { baseMs, capMs, random } = this.#options;
    return backoffMs(attempt, { baseMs, capMs, jitterRatio: 0.2, ...(random ? { random } : {}) });
  }

  /** Earlier failures no longer count, and nothing is waited for. */
  reset(): void {
    this.#failures = 0;
    this.cancel();
  }
}
