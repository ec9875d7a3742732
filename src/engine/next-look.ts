import type { Clock } from '../runtime/clock.js';

/** How often a running engine is looked at. */
const lookEachMs = 1000;
/** And one with a keeper, which tells of its death at once, while no work is in flight: nobody waits for a hang to be seen. */
const idleLookEachMs = 2000;
/** While no work is in flight its page says nothing new, and is large. */
const idlePageMs = 10_000;
/** A timer that is late must not turn ten seconds into eleven. */
const slackMs = 500;
/** A timer may be a moment early; the look at that second has just been then. */
const earlyMs = 100;

/** Looks fall on whole seconds of the clock: one wake-up of an idle agent serves all its engines, with warm caches. */
export function msUntilNextLook(clock: Clock, idleWithKeeper = false): number {
  const eachMs = idleWithKeeper ? idleLookEachMs : lookEachMs;
  const leftMs = eachMs - (clock.monotonicMs() % eachMs);
  return leftMs < earlyMs ? leftMs + eachMs : leftMs;
}

/** With each look while work is in flight, and seldom otherwise. */
export function isPageDue(busy: boolean, sinceMs: number): boolean {
  return busy || sinceMs >= idlePageMs - slackMs;
}
