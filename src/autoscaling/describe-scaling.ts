/** One model's scaling as the API shows it, over gRPC and HTTP alike. */
import type { ModelScaling__Output } from '../rpc/generated/infernode/autoscaling/v1/ModelScaling.js';
import type { ModelScaling } from './scaling-loop.js';

/** `null`: not known. */
export type ScalingDescription = {
  [K in keyof ModelScaling__Output as K extends `_${string}` ? never : K]-?: Exclude<
    ModelScaling__Output[K],
    undefined
  > | null;
};

export function describeScaling(
  { signals, cost, decision, decidedAtMs, undecided }: ModelScaling,
  nowMs: number,
): ScalingDescription {
  const { ready, warming, asleep } = signals.replicas;
  return {
    model: signals.model,
    desired: decision?.desired ?? null,
    next: decision?.next ?? null,
    current: ready + warming,
    direction: decision?.direction ?? 'hold',
    reason: decision?.reason ?? '',
    signal: decision?.signal ?? '',
    limitedBy: decision?.limitedBy ?? [],
    proposals: decision?.proposals ?? [],
    replicas: { ready, warming, asleep, reporting: signals.reporting },
    queuedRequests: signals.queue.requests,
    queuedTokens: signals.queue.tokens,
    running: signals.running,
    backlogSeconds: signals.backlogSeconds,
    sloRatio: signals.sloRatio,
    ttftP99Ms: signals.ttftP99Ms,
    kvCacheUsageMean: signals.kvCacheUsage?.mean ?? null,
    kvCacheUsageMax: signals.kvCacheUsage?.max ?? null,
    gpuUtilizationRatio: signals.gpuUtilizationRatio,
    incomingPerSecond: signals.incomingPerSecond,
    forecastReplicas: signals.forecastReplicas ?? null,
    inputAgeMs: Number.isFinite(signals.inputAgeMs) ? signals.inputAgeMs : null,
    decidedMsAgo: decidedAtMs === null ? null : nowMs - decidedAtMs,
    undecided,
    costAdvice: cost?.advice ?? '',
  };
}
