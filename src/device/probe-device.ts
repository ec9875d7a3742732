/** The short probe of one device: a process that tests memory, arithmetic, copies and graphs, and answers with a verdict. */
import type { ProbeVerdict } from '../domain/gpu-probe.js';
import type { Clock } from '../runtime/clock.js';
import type { DeviceProbeMetrics } from './probe-metrics.js';
import { killGraceMs, ProbeChild } from './probe-child.js';

export interface ProbeRequest {
  /** `libcuda.so.1`, or a path. */
  library: string;
  /** The driver's index, or a `GPU-...` UUID (the driver's order is not NVML's). */
  device: string;
  /** Of the pattern test; less where less than twice that is free. */
  memoryMiB: number;
  /** The health data's `active_probe` allows 10 s. */
  timeLimitMs: number;
  clock: Clock;
  metrics?: DeviceProbeMetrics;
  env?: NodeJS.ProcessEnv;
}

/** The process watches its own time limit and says where it was; this much later it is not believed to. */
const overtimeMs = 1000;

/** Never rejects: a process that cannot be started, crashes or hangs is a verdict too. */
export function probeDevice(request: ProbeRequest): Promise<ProbeVerdict> {
  const { library, device, memoryMiB, timeLimitMs, clock, metrics, env } = request;
  return new Promise((resolve) => {
    let verdict: ProbeVerdict | null = null;
    const args = ['--library', library, '--device', device];
    args.push('--memory-mib', String(memoryMiB), '--time-limit-ms', String(timeLimitMs));
    const child = startChild({
      args,
      clock,
      env,
      onLine: (line) => (verdict ??= parseVerdict(line)),
      onEnd: ({ reason, abandoned }) => {
        deadline.cancel();
        if (abandoned) metrics?.countAbandoned();
        const outcome = verdict ?? silentVerdict(reason, abandoned);
        metrics?.countProbe(outcome.verdict);
        resolve(outcome);
      },
    });
    const deadline = clock.after(timeLimitMs + overtimeMs, () =>
      child?.kill(`no verdict after ${timeLimitMs + overtimeMs} ms`),
    );
  });
}

/** A program that is missing is told like one that ended. */
function startChild(options: ConstructorParameters<typeof ProbeChild>[0]): ProbeChild | null {
  try {
    return new ProbeChild(options);
  } catch (error) {
    queueMicrotask(() => options.onEnd({ reason: String(error), status: null, abandoned: false }));
    return null;
  }
}

function parseVerdict(line: string): ProbeVerdict | null {
  try {
    const value = JSON.parse(line) as ProbeVerdict;
    return ['pass', 'fail', 'unavailable'].includes(value.verdict) ? value : null;
  } catch {
    return null;
  }
}

/** Killed by a signal or by us: the driver took the process down or does not let it go. Not started: nothing is known. */
function silentVerdict(reason: string, abandoned: boolean): ProbeVerdict {
  const stuck = abandoned ? `; it cannot be ended ${killGraceMs} ms after SIGKILL` : '';
  const hung = abandoned || reason.startsWith('no verdict');
  const crashed = reason.startsWith('signal') || reason.startsWith('exit code');
  return {
    verdict: hung || crashed ? 'fail' : 'unavailable',
    code: hung
      ? 'INFERNODE_PROBE_STUCK'
      : crashed
        ? 'INFERNODE_PROBE_CRASHED'
        : 'INFERNODE_PROBE_NOT_STARTED',
    reason: `the probe process: ${reason}${stuck}`,
    device: null,
    steps: [],
  };
}
