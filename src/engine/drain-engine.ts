/**
 * Drain: no new work comes (the coordinator sees the state), what runs is waited for. Ends when the engine has been idle
 * for two looks in a row, because a request may have been on its way during the first.
 */
import type { EngineLoad } from '../domain/engine.js';
import { sleep, type Clock } from '../runtime/clock.js';

export type DrainOutcome = 'idle' | 'deadline' | 'aborted';

export interface DrainEngineOptions {
  /** `null` when the engine does not tell: then only the deadline ends the drain. */
  readLoad: () => Promise<EngineLoad | null>;
  /** Requests that coordinators have in flight there; some may be on their way and not in the load yet. */
  inFlight?: () => number;
  deadlineMs: number;
  /** Requests left, `null` while unknown. */
  onProgress: (left: number | null) => void;
  clock: Clock;
  /** The engine has ended, or something worse has happened. */
  signal: AbortSignal;
  pollMs?: number;
}

const defaultPollMs = 250;
const idleLooks = 2;

export async function drainEngine(options: DrainEngineOptions): Promise<DrainOutcome> {
  const {
    readLoad,
    deadlineMs,
    onProgress,
    clock,
    signal,
    pollMs = defaultPollMs,
    inFlight = () => 0,
  } = options;
  const endMs = clock.monotonicMs() + deadlineMs;
  for (let idle = 0; ;) {
    if (signal.aborted) return 'aborted';
    const load = await readLoad();
    const left = load ? Math.max(load.running + load.waiting, inFlight()) : null;
    idle = left === 0 ? idle + 1 : 0;
    if (idle >= idleLooks) return 'idle';
    onProgress(left);
    const restMs = endMs - clock.monotonicMs();
    if (restMs <= 0) return 'deadline';
    await sleep(clock, Math.min(pollMs, restMs), signal);
  }
}
