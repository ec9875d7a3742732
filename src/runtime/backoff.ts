export interface BackoffOptions {
  baseMs: number;
  capMs: number;
  /** Share of the delay that is random, 0..1. */
  jitterRatio: number;
  random?: () => number;
}

/** Exponential delay for the given attempt (0 = first retry): `base * 2^attempt`, capped, jittered by +-ratio. */
export function backoffMs(
  attempt: number,
  { baseMs, capMs, jitterRatio, random = Math.random }: BackoffOptions,
): number {
  const delay = Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30));
  return Math.max(0, delay * (1 + jitterRatio * (2 * random() - 1)));
}
