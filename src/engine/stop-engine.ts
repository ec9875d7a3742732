/**
 * A stop that is proven (design decision 4): SIGTERM to the leader, after the grace SIGKILL to the tree, the tree empty,
 * the memory of its processes gone from the devices, its files gone from /dev/shm, its port free. Every step has an end and
 * is reported, and where processes or memory could not be proven gone, the devices must not be used again.
 */
import { sleep, type Clock } from '../runtime/clock.js';
import type { EngineRun } from './engine-run.js';
import { isPortFree } from './port-reservation.js';
import { removeSharedFiles } from './shared-memory.js';
import type { StopReport } from '../domain/engine-death.js';
import { StopRecorder } from './stop-recorder.js';

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
  /** Has the steps before this one. */
  recorder?: StopRecorder;
}

/** A process that hangs in the driver does not die; 10 s is the keeper's own limit for calling it stuck, plus a margin. */
const defaultKillLimitMs = 12_000;
const releasePollMs = 50;

/** Nobody of the tree is left, so the kernel closes its sockets at once; the rest is for a slow machine. */
const portLimitMs = 2000;

/** Also for an engine whose leader has died by itself: the remaining steps are the same. */
export async function stopEngine(run: EngineRun, options: StopEngineOptions): Promise<StopReport> {
  const { clock, devicesReleased, killLimitMs = defaultKillLimitMs, releaseLimitMs } = options;
  const recorder = options.recorder ?? new StopRecorder(clock);
  // The tree is listed while it stands: afterwards nobody could tell whose memory is left.
  if (!run.exit) await run.refreshPids({ maps: false });
  const killed = await endProcesses(run, options, recorder);
  const empty = await recorder.run('tree-empty', async () => {
    const remaining = await within(clock, killLimitMs, run.emptied);
    if (remaining?.length === 0)
      return [true, run.cgroup ? 'by an empty cgroup' : "by the keeper's walk of /proc"];
    return [false, `${describe(remaining ?? [...run.pids])} not ended by SIGKILL`];
  });
  if (!empty) return recorder.report('processes-stuck', recorder.steps.at(-1)?.detail);
  const free = await recorder.run('memory-free', async () => {
    if (await untilReleased(run, devicesReleased, clock, releaseLimitMs)) return [true, ''];
    return [false, `memory of ${named([...run.pids])} is still held on ${run.deviceUuids.join(', ')}`];
  });
  if (!free) return recorder.report('device-stuck', recorder.steps.at(-1)?.detail);
  await recorder.run('shared-memory', async () => {
    const left = await removeSharedFiles(run.sharedFiles);
    return [
      left.length === 0,
      left.length > 0 ? `left: ${left.slice(0, 5).join(', ')}` : `${run.sharedFiles.size} files`,
    ];
  });
  await recorder.run('port-free', async () => [await untilPortFree(run, clock), `port ${run.port}`]);
  return recorder.report(killed ? 'killed' : 'clean');
}

/** True when SIGKILL was needed. */
async function endProcesses(
  run: EngineRun,
  { graceMs, clock, hurry }: StopEngineOptions,
  recorder: StopRecorder,
): Promise<boolean> {
  if (run.exit) return false;
  if (graceMs > 0) {
    const ended = await recorder.run('terminate', async () => {
      await run.terminate();
      await Promise.race([run.exited, sleep(clock, graceMs, hurry)]);
      return [run.exit !== null, `SIGTERM to process ${run.leaderPid}`];
    });
    if (ended) return false;
  }
  await recorder.run('kill', async () => {
    await run.kill();
    return [
      true,
      run.cgroup
        ? `cgroup.kill in ${run.cgroup}`
        : 'SIGKILL to the tree by its walk; there is no cgroup v2 group',
    ];
  });
  return true;
}

async function untilPortFree({ url, port }: EngineRun, clock: Clock): Promise<boolean> {
  const host = new URL(url).hostname;
  const deadlineMs = clock.monotonicMs() + portLimitMs;
  while (!(await isPortFree(host, port))) {
    if (clock.monotonicMs() >= deadlineMs) return false;
    await sleep(clock, releasePollMs);
  }
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
  return `${named(pids)} ${pids.length === 1 ? 'was' : 'were'}`;
}

/** A large engine has about 50 processes. */
const maxNamed = 16;

function named(pids: readonly number[]): string {
  const more = pids.length > maxNamed ? ` and ${pids.length - maxNamed} more` : '';
  return `process${pids.length === 1 ? '' : 'es'} ${pids.slice(0, maxNamed).join(', ')}${more}`;
}
