/**
 * A stop that is proven (design decision 4): SIGTERM to the leader, after the grace SIGKILL to the tree, the tree empty,
 * the memory of its processes gone from the devices. Every step has an end, and what could not be proven is said: its
 * devices must not be used again.
 */
import { sleep, type Clock } from '../runtime/clock.js';
import type { EngineRun } from './engine-run.js';

export type StopOutcome = 'clean' | 'killed' | 'processes-stuck' | 'device-stuck';

export interface StopReport {
  outcome: StopOutcome;
  /** One sentence when something is stuck, else empty. */
  detail: string;
  tookMs: number;
}

/** Does NVML show no memory of these processes on these devices any more? */
export type DevicesReleased = (deviceUuids: string[], pids: number[]) => Promise<boolean>;

export interface StopEngineOptions {
  /** SIGTERM to SIGKILL, ms; 0 kills at once. */
  graceMs: number;
  devicesReleased: DevicesReleased;
  clock: Clock;
  /** Ends the grace early: something worse has happened. */
  hurry?: AbortSignal;
  killLimitMs?: number;
  /** Until the memory of dead processes is gone, ms. */
  releaseLimitMs: number;
}

/** A process that hangs in the driver does not die; 10 s is the keeper's own limit for calling it stuck, plus a margin. */
const defaultKillLimitMs = 12_000;
const releasePollMs = 50;

/** Also for an engine whose leader has died by itself: the remaining steps are the same. */
export async function stopEngine(run: EngineRun, options: StopEngineOptions): Promise<StopReport> {
  const { clock, killLimitMs = defaultKillLimitMs, releaseLimitMs } = options;
  const beganMs = clock.monotonicMs();
  const report = (outcome: StopOutcome, detail = ''): StopReport => ({
    outcome,
    detail,
    tookMs: clock.monotonicMs() - beganMs,
  });
  // The tree is listed while it stands: afterwards nobody could tell whose memory is left.
  if (!run.exit) await run.refreshPids();
  const killed = await endProcesses(run, options);
  const remaining = await within(clock, killLimitMs, run.emptied);
  if (remaining === null || remaining.length > 0)
    return report('processes-stuck', `${describe(remaining ?? [...run.pids])} not ended by SIGKILL`);
  if (!(await untilReleased(run, options.devicesReleased, clock, releaseLimitMs)))
    return report('device-stuck', `memory of the engine is still held on ${run.deviceUuids.join(', ')}`);
  return report(killed ? 'killed' : 'clean');
}

/** True when SIGKILL was needed. */
async function endProcesses(run: EngineRun, { graceMs, clock, hurry }: StopEngineOptions): Promise<boolean> {
  if (run.exit) return false;
  if (graceMs > 0) {
    await run.terminate();
    await Promise.race([run.exited, sleep(clock, graceMs, hurry)]);
    if (run.exit) return false;
  }
  await run.kill();
  return true;
}

/** True when the devices are free of the run's processes within the limit. */
export async function untilReleased(
  run: Pick<EngineRun, 'deviceUuids' | 'pids'>,
  devicesReleased: DevicesReleased,
  clock: Clock,
  limitMs: number,
): Promise<boolean> {
  if (run.deviceUuids.length === 0) return true;
  const deadlineMs = clock.monotonicMs() + limitMs;
  for (;;) {
    const leftMs = deadlineMs - clock.monotonicMs();
    // A driver that hangs must not hold up the answer: no news in time is "not proven".
    const released = await within(
      clock,
      Math.max(1, leftMs),
      devicesReleased([...run.deviceUuids], [...run.pids]).catch(() => false),
    );
    if (released) return true;
    if (clock.monotonicMs() >= deadlineMs) return false;
    await sleep(clock, releasePollMs);
  }
}

/** The promise's value, or `null` after the limit. */
async function within<T>(clock: Clock, limitMs: number, promise: Promise<T>): Promise<T | null> {
  const stop = new AbortController();
  const late = sleep(clock, limitMs, stop.signal).then(() => null);
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop.abort();
  }
}

function describe(pids: readonly number[]): string {
  return pids.length === 1 ? `process ${pids[0]} was` : `${pids.length} processes were`;
}
