import { Counter, Gauge, type Registry } from 'prom-client';
import { removeSeries } from '../runtime/remove-series.js';
import type { ModelScaling } from './scaling-loop.js';
import type { ScalingDecision } from './scaling-types.js';

type Reading = (scaling: ModelScaling) => number | null | undefined;

/** Name, help and where it is read; `null` has no series: an autoscaler must not take "not known" for 0. */
const gauges: readonly [string, string, Reading][] = [
  [
    'desired_replicas',
    'Replicas that should exist, warming ones included',
    ({ decision }) => decision?.desired,
  ],
  ['ready_replicas', 'Replicas that take requests', ({ signals }) => signals.replicas.ready],
  ['warming_replicas', 'Replicas that start', ({ signals }) => signals.replicas.warming],
  ['asleep_replicas', 'Replicas that sleep', ({ signals }) => signals.replicas.asleep],
  [
    'reporting_replicas',
    'Ready replicas whose news is fresh and can be true',
    ({ signals }) => signals.reporting,
  ],
  [
    'queued_requests',
    'Requests that wait, in the gateway and in engines',
    ({ signals }) => signals.queue.requests,
  ],
  ['queued_tokens', 'Prompt tokens that wait in the gateway', ({ signals }) => signals.queue.tokens],
  ['running_requests', 'Requests in flight', ({ signals }) => signals.running],
  [
    'backlog_seconds',
    'Prompt tokens that nobody has prefilled over the measured prefill rate of the ready replicas',
    ({ signals }) => signals.backlogSeconds,
  ],
  [
    'slo_ratio',
    '90th percentile over target in the last minute, the worse of time to first token and inter-token latency',
    ({ signals }) => signals.sloRatio,
  ],
  [
    'kv_cache_usage_mean_ratio',
    'KV cache in use, mean of the replicas',
    ({ signals }) => signals.kvCacheUsage?.mean,
  ],
  [
    'kv_cache_usage_max_ratio',
    'KV cache in use, fullest replica',
    ({ signals }) => signals.kvCacheUsage?.max,
  ],
  [
    'incoming_requests_per_second',
    'Requests in the last minute, those turned away included, counted when they end',
    ({ signals }) => signals.incomingPerSecond,
  ],
  ['forecast_replicas', 'Replicas for the load that is foreseen', ({ signals }) => signals.forecastReplicas],
  ['ttft_target_seconds', 'Objective for the time to first token', ({ slo }) => slo.ttftMs / 1000],
  ['cost_dollars_per_hour', 'Price of the ready replicas', ({ cost }) => cost?.dollarsPerHour],
  [
    'cost_per_request_dollars',
    'Price of the ready replicas over the requests of the last minute',
    costPerRequest,
  ],
  ['input_age_seconds', 'Age of the oldest input', ({ signals }) => signals.inputAgeMs / 1000],
];

/** Without requests there is no price of one. */
function costPerRequest({ cost, signals }: ModelScaling): number | null {
  const perHour = (signals.incomingPerSecond ?? 0) * 3600;
  return cost && perHour > 0 ? cost.dollarsPerHour / perHour : null;
}

export class AutoscalingMetrics {
  readonly #gauges: { gauge: Gauge<'model'>; read: Reading }[];
  readonly #decisions: Counter<'model' | 'direction' | 'reason'>;
  readonly acts: Counter<'act' | 'result'>;
  readonly rpcErrors: Counter<'method' | 'reason'>;
  readonly leader: Gauge;
  readonly electionFailures: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#gauges = gauges.map(([what, help, read]) => ({
      gauge: new Gauge({ name: `infernode_autoscaling_${what}`, help, labelNames: ['model'], registers }),
      read,
    }));
    this.#decisions = new Counter({
      name: 'infernode_autoscaling_decisions_total',
      help: 'Decisions by direction and by the signal that asked for most, or the limit that held',
      labelNames: ['model', 'direction', 'reason'],
      registers,
    });
    this.acts = new Counter({
      name: 'infernode_autoscaling_acts_total',
      help: 'What the own actuator did to engines, by result',
      labelNames: ['act', 'result'],
      registers,
    });
    this.rpcErrors = new Counter({
      name: 'infernode_autoscaling_rpc_errors_total',
      help: 'Calls of ExternalScaler and AutoscalingService that failed',
      labelNames: ['method', 'reason'],
      registers,
    });
    this.leader = new Gauge({
      name: 'infernode_autoscaling_leader',
      help: '1 while this coordinator owns the lease of those that act, else 0; no series without a lease',
      registers,
    });
    // Who takes part in no election is not somebody who lost it.
    this.leader.remove();
    this.electionFailures = new Counter({
      name: 'infernode_autoscaling_election_failures_total',
      help: 'Reads and writes of the lease that failed',
      registers,
    });
  }

  /** These models and no others. */
  show(all: readonly ModelScaling[]): void {
    for (const { gauge, read } of this.#gauges) {
      gauge.reset();
      for (const scaling of all) {
        const value = read(scaling);
        if (value !== null && value !== undefined && !Number.isNaN(value))
          gauge.set({ model: scaling.signals.model }, value);
      }
    }
  }

  /** Lets go of a model that nobody serves or configures any more. */
  async forget(model: string): Promise<void> {
    await removeSeries([this.#decisions], 'model', model);
  }

  decided({ model, direction, limitedBy, signal }: ScalingDecision): void {
    this.#decisions.inc({
      model,
      direction,
      reason: direction === 'hold' ? (limitedBy.at(-1) ?? 'fits') : signal,
    });
  }
}
