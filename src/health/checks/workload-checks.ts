/** Device and engine looked at together: who is sick, the program or the hardware. One engine is one part of a condition. */
import type { EngineWork } from '../../domain/workload.js';
import {
  ok,
  unknown,
  unsupported,
  type DeviceCheck,
  type DeviceView,
  type PartVerdict,
  type Verdict,
} from './device-check.js';
import { absence, valueOf } from './read-values.js';

const noTokenMs = 60_000;

function byEngine(view: DeviceView, judge: (engine: EngineWork) => PartVerdict): Verdict {
  const { sample, stuck, workload } = view;
  if (!sample || sample.error || stuck) return unknown;
  const own = workload.engines.filter(({ deviceUuids }) => deviceUuids.includes(sample.identity.uuid));
  if (own.length === 0) return ok;
  return {
    state: 'parts',
    parts: new Map(own.map((engine) => [`engine ${engine.engineId}`, judge(engine)])),
  };
}

/** `null`: not known whether tokens come. */
function isStalled({ running, tokenAgeMs }: EngineWork): boolean | null {
  if (running === 0) return false;
  return tokenAgeMs === null ? null : tokenAgeMs >= noTokenMs;
}

const engineStuckGpuIdle: DeviceCheck = {
  id: 'engine_stuck_gpu_idle',
  evaluate(view, { level }) {
    const busy = valueOf(view, 'gpuUtilizationRatio');
    if (busy === null) return absence(view, 'gpuUtilizationRatio');
    return byEngine(view, (engine) => {
      const stalled = isStalled(engine);
      if (stalled === null) return unknown;
      return stalled && busy * 100 <= level
        ? {
            state: 'firing',
            reason: `engine ${engine.engineId} has work, makes no token, and the GPU is idle`,
          }
        : ok;
    });
  },
};

const lowPowerRatio = 0.45;

/** Full utilization at low power without a token: a collective that spins because one rank is gone. */
const engineStuckGpuBusy: DeviceCheck = {
  id: 'engine_stuck_gpu_busy',
  evaluate(view, { level }) {
    const busy = valueOf(view, 'gpuUtilizationRatio');
    const watts = valueOf(view, 'powerWatts');
    const limit = valueOf(view, 'powerLimitWatts');
    if (busy === null || watts === null || limit === null)
      return absence(view, 'gpuUtilizationRatio', 'powerWatts', 'powerLimitWatts');
    return byEngine(view, (engine) => {
      const stalled = isStalled(engine);
      if (stalled === null) return unknown;
      return stalled && busy * 100 >= level && watts < lowPowerRatio * limit
        ? {
            state: 'firing',
            reason: `engine ${engine.engineId} makes no token at full GPU utilization and low power`,
          }
        : ok;
    });
  },
};

const cudaErrorReport: DeviceCheck = {
  id: 'cuda_error_report',
  evaluate: (view, { row }) =>
    byEngine(view, ({ engineId, cudaError }) => {
      if (cudaError === null) return ok;
      const severity = (row.threshold.value as Record<string, 'warning' | 'critical' | 'fatal'>)[
        String(cudaError.code)
      ];
      if (severity === undefined) return ok;
      const reason = `engine ${engineId} reports CUDA error ${cudaError.code}: ${cudaError.text.slice(0, 120)}`;
      return { state: 'firing', severity, reason };
    }),
};

const maxNamed = 4;

/** Explains why memory is short when an engine starts. Where a pid means nothing here, neither does the list. */
const foreignProcess: DeviceCheck = {
  id: 'foreign_process',
  evaluate(view, { level }) {
    const { sample, stuck, workload } = view;
    if (!sample || sample.error || stuck) return unknown;
    if (sample.processes === null) return absence(view);
    if (!workload.seesHostPids) return unknown;
    const own = new Set(workload.engines.flatMap(({ pids }) => pids));
    const { lookedUp } = workload;
    const strangers = sample.processes.filter(({ pid }) => !own.has(pid) && (lookedUp?.has(pid) ?? true));
    if (strangers.length <= level) return ok;
    const names = strangers
      .slice(0, maxNamed)
      .map(({ pid }) => `${pid} (${workload.commands.get(pid) ?? 'unknown command'})`);
    const more = strangers.length > maxNamed ? ` and ${strangers.length - maxNamed} more` : '';
    const pods = workload.pods?.get(sample.identity.uuid) ?? [];
    const given = pods.length > 0 ? `; Kubernetes gave it to ${pods.slice(0, maxNamed).join(', ')}` : '';
    return {
      state: 'firing',
      reason: `processes of nobody here hold the device: ${names.join(', ')}${more}${given}`,
    };
  },
};

const busyRatio = 0.5;
const clearDeviation = 0.05;

/** Clock and step time against the median of the busy devices of the same kind. */
function deviation(view: DeviceView): number | null {
  const { sample, siblings, workload } = view;
  if (!sample) return null;
  const alike = siblings.filter(
    ({ identity, reading, error }) =>
      error === null &&
      identity.name === sample.identity.name &&
      (reading.gpuUtilizationRatio ?? 0) > busyRatio,
  );
  if (alike.length < 3 || !alike.includes(sample)) return null;
  const clock = behind(sample.reading.smClockMhz, median(alike.map(({ reading }) => reading.smClockMhz)));
  const stepOf = (uuid: string): number | null =>
    workload.engines.find(({ deviceUuids }) => deviceUuids.includes(uuid))?.stepSeconds ?? null;
  const steps = median(alike.map(({ identity }) => stepOf(identity.uuid)));
  const step = stepOf(sample.identity.uuid);
  const slower = step === null || steps === null || steps === 0 ? 0 : step / steps - 1;
  return Math.max(clock, slower);
}

function behind(own: number | null, usual: number | null): number {
  return own === null || usual === null || usual === 0 ? 0 : 1 - own / usual;
}

function median(values: readonly (number | null)[]): number | null {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  return sorted.length === 0 ? null : (sorted[Math.floor(sorted.length / 2)] ?? null);
}

const gpuSlowerThanSiblings: DeviceCheck = {
  id: 'gpu_slower_than_siblings',
  evaluate(view, { level }) {
    const { sample, siblings, stuck } = view;
    if (!sample || sample.error || stuck) return unknown;
    if (siblings.length < 3) return unsupported;
    const by = deviation(view);
    if (by === null) return unknown;
    return by > level
      ? { state: 'firing', reason: `slower than its siblings by more than ${Math.round(level * 100)} %` }
      : ok;
  },
  clears: (view) => (deviation(view) ?? 1) <= clearDeviation,
};

/** Only on an idle, drained device, in a process of its own: its result is handed in. */
const activeProbe: DeviceCheck = {
  id: 'active_probe',
  evaluate({ sample, workload }) {
    const result = sample ? workload.probes.get(sample.identity.uuid) : undefined;
    if (!result) return unknown;
    return result.passed ? ok : { state: 'firing', reason: `the active check failed: ${result.reason}` };
  },
};

export const workloadChecks: readonly DeviceCheck[] = [
  engineStuckGpuIdle,
  engineStuckGpuBusy,
  cudaErrorReport,
  foreignProcess,
  gpuSlowerThanSiblings,
  activeProbe,
];
