/**
 * What is remembered of the bad ends of one engine: the cause of the present one, and how long the next start waits. The
 * supervisor asks it; it decides nothing about processes.
 */
import type { EngineContext } from './engine-context.js';
import type { ExitCause } from './explain-exit.js';
import { RestartBackoff } from './restart-backoff.js';

export class FailureBook {
  /** The cause of the end that has happened or is under way; `null` after a launch. */
  cause: ExitCause | null = null;
  readonly #backoff: RestartBackoff;

  constructor({ settings, clock }: Pick<EngineContext, 'settings' | 'clock'>) {
    const { backoffBaseMs, backoffCapMs, stableMs } = settings;
    this.#backoff = new RestartBackoff({ baseMs: backoffBaseMs, capMs: backoffCapMs, stableMs }, clock);
  }

  /** True while the next start waits for its time. */
  get waiting(): boolean {
    return this.#backoff.waiting;
  }

  /** Counts a failure and calls back when the next start may be; answers what to say of it. */
  scheduleNext(readyForMs: number | null, callback: () => void): string {
    const waitMs = this.#backoff.schedule(readyForMs, callback);
    return waitMs === 0 ? '' : `; next start in ${(waitMs / 1000).toFixed(1)} s`;
  }

  /** Nothing is waited for any more. */
  cancelWait(): void {
    this.#backoff.cancel();
  }

  /** Earlier failures no longer count: somebody has done something about them. */
  forgive(): void {
    this.#backoff.reset();
  }
}
