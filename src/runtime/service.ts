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
