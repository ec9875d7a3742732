import type { Clock } from './clock.js';
import type { Logger } from './logger.js';

/**
 * Everything started can be ended: `close()` finishes the work in hand, `destroy(reason)` does not. Both are
 * idempotent, and `close()` after `destroy()` resolves.
 */
export interface Service {
  start(): Promise<void>;
  close(): Promise<void>;
  destroy(reason: string): void;
}

/** Throws the first failure, but only when all have come to an end: one that still starts could not be closed. */
export async function allStarted(starts: Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(starts);
  const failure = results.find((result) => result.status === 'rejected');
  if (failure) throw failure.reason;
}

/** For closing one thing after another: what cannot be closed is said, and the next still gets its turn. */
export async function settle(logger: Logger, what: string, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    logger.error({ err: error, what }, 'could not be closed cleanly');
  }
}

/** True when the work was done within the limit, in ms; it goes on otherwise. */
export function withinLimit(clock: Clock, limitMs: number, work: Promise<void>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.after(limitMs, () => resolve(false));
    void work.finally(() => {
      timer.cancel();
      resolve(true);
    });
  });
}
