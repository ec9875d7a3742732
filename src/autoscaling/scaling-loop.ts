/**
 * Decides for every model again and again, on the coordinator's own clock. Each outlet (gauges, KEDA, actuator, API) shows what this holds.
 *
 * What must stay true: nothing is said of a model before enough is known (agents that were not heard yet may hold replicas), a
 * reading that fails leaves the last counts to grow old, and a round that is late is skipped, never doubled.
 */
import type { AutoscalingConfig, ScalingPolicyConfig } from '../config/autoscaling-config.js';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import type { GatewayCounts } from '../domain/gateway-counts.js';
import type { Clock, Timer } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { AutoscalingMetrics } from './autoscaling-metrics.js';
import { costOf } from './cost-of-model.js';
import { collectSignals, type ModelView } from './collect-signals.js';
import { decideReplicas, ScalingMemory } from './decide-replicas.js';
import { LoadForecast } from './forecast-load.js';
import { GatewayWindow } from './gateway-window.js';
import { policyOf } from './scaling-policies.js';
import type { ModelSignals, ScalingDecision } from './scaling-types.js';

/** Where the signals come from; the root connects them. */
export interface SignalSources {
  models(): readonly ModelView[];
  /** By model, summed over the gateway's processes; `null` when one of them did not answer. */
  gateway(): Promise<ReadonlyMap<string, GatewayCounts> | null>;
  /** Watched agents, and those of them that have never spoken. */
  agents(): { total: number; unheard: number };
  /** The model that a name leads to. */
  modelOf(name: string): string | undefined;
}

/** What is known and decided for one model. */
export interface ModelScaling {
  signals: ModelSignals;
  slo: ModelView['slo'];
  /** Dollars per hour of the replicas that run, and what would carry the load for least; `null` without prices for their GPUs. */
  cost: { dollarsPerHour: number; advice: string } | null;
  /** The last decision; `null` before the first. */
  decision: ScalingDecision | null;
  /** By the monotonic clock. */
  decidedAtMs: number | null;
  /** Why there was none in the last round; empty when there was. */
  undecided: string;
}

export interface ScalingLoopOptions {
  config: Pick<AutoscalingConfig, 'intervalMs' | 'defaults' | 'models' | 'cost'>;
  sources: SignalSources;
  clock: Clock;
  logger: Logger;
  metrics: AutoscalingMetrics;
}

interface Tracked {
  memory: ScalingMemory;
  window: GatewayWindow;
  forecast: LoadForecast;
  scaling: ModelScaling | null;
  seenAtMs: number;
}

/** Agents that were not heard in this time since the start are taken for absent: as long as the cool-down before anything shrinks. */
const hearingMs = 300_000;
/** A model that nobody serves or configures any more is forgotten after this. */
const forgetAfterMs = 3_600_000;
/** A decision that was not renewed in so many rounds is no decision any more. */
const freshRounds = 6;

const noCounts: GatewayCounts = {
  requests: 0,
  answers: 0,
  queuedRequests: 0,
  queuedTokens: 0,
  timeToFirstToken: { bounds: [], atMost: [] },
  interToken: { bounds: [], atMost: [] },
};

export class ScalingLoop {
  readonly #options: ScalingLoopOptions;
  readonly #tracked = new Map<string, Tracked>();
  readonly #listeners = new Set<() => void>();
  readonly #startedAtMs: number;
  #config: ScalingLoopOptions['config'];
  #timer: Timer | null = null;
  #round: Promise<void> | null = null;
  #countedAtMs = -Infinity;

  constructor(options: ScalingLoopOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#startedAtMs = options.clock.monotonicMs();
  }

  start(): void {
    this.#timer = this.#options.clock.every(this.#config.intervalMs, () => void this.decideAll());
    void this.decideAll();
  }

  /** Policies hold from the next round on; the interval after a restart. */
  reconfigure(config: ScalingLoopOptions['config']): void {
    this.#config = { ...config, intervalMs: this.#config.intervalMs };
  }

  /** Told after each round; returns the unsubscribe function. */
  onRound(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** One round; while one is under way the same. Never rejects. */
  decideAll(): Promise<void> {
    this.#round ??= this.#decideAll()
      .catch((error: unknown) => this.#options.logger.error({ err: error }, 'scaling could not be decided'))
      .finally(() => (this.#round = null));
    return this.#round;
  }

  /** By model name, in order. */
  all(): ModelScaling[] {
    return [...this.#tracked.values()]
      .flatMap(({ scaling }) => scaling ?? [])
      .sort((a, b) => (a.signals.model < b.signals.model ? -1 : 1));
  }

  /** Throws `model-unknown`. */
  get(name: string): ModelScaling {
    const model = this.#options.sources.modelOf(name) ?? name;
    const scaling = this.#tracked.get(model)?.scaling;
    if (scaling) return scaling;
    const known = this.all().map((one) => one.signals.model);
    throw new InfernodeError(
      'model-unknown',
      `expected a model that is scaled here, got "${name}"; known: ${known.join(', ') || 'none yet'}`,
    );
  }

  /** Replicas that should exist. Throws `model-unknown`, and `scaling-undecided` where a number would be a guess. */
  desired(name: string): number {
    const { decision, decidedAtMs, undecided, signals } = this.get(name);
    const oldMs = this.#options.clock.monotonicMs() - (decidedAtMs ?? -Infinity);
    if (decision && oldMs <= freshRounds * this.#config.intervalMs) return decision.desired;
    throw new InfernodeError(
      'scaling-undecided',
      `no decision for ${signals.model}: ${undecided || 'the last one is too old'}`,
    );
  }

  policy(model: string): ReturnType<typeof policyOf> {
    return policyOf(this.#policyConfig(model));
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#round;
  }

  async #decideAll(): Promise<void> {
    const { sources, clock, metrics, logger } = this.#options;
    const counts = await sources.gateway().catch((error: unknown) => {
      logger.warn({ reason: messageOf(error) }, 'the gateway could not be counted');
      return null;
    });
    const nowMs = clock.monotonicMs();
    if (counts) this.#countedAtMs = nowMs;
    const views = sources.models();
    for (const view of views) {
      const tracked = this.#track(view.model, nowMs);
      if (counts) tracked.window.add(counts.get(view.model) ?? noCounts, nowMs);
      tracked.scaling = this.#decide(view, tracked, nowMs);
    }
    for (const [model, { seenAtMs }] of this.#tracked) {
      if (nowMs - seenAtMs <= forgetAfterMs) continue;
      this.#tracked.delete(model);
      await metrics.forget(model);
    }
    metrics.show(views.flatMap(({ model }) => this.#tracked.get(model)?.scaling ?? []));
    for (const listener of this.#listeners) listener();
  }

  #decide(view: ModelView, tracked: Tracked, nowMs: number): ModelScaling {
    const { window, memory, forecast, scaling: before } = tracked;
    const { queuedRequests = 0, queuedTokens = 0 } = window.latest ?? {};
    const rates = window.rates();
    const ageMs = nowMs - this.#countedAtMs;
    const policy = policyOf(this.#policyConfig(view.model));
    const signals = collectSignals(view, { queuedRequests, queuedTokens, rates, ageMs });
    forecast.observe(signals, policy, this.#options.clock.wallMs());
    signals.forecastReplicas = forecast.replicas(policy, this.#options.clock.wallMs());
    const undecided = this.#whyNot(nowMs);
    const known = { signals, slo: view.slo, cost: costOf(view, signals, this.#config.cost) };
    if (undecided !== '')
      return {
        ...known,
        decision: before?.decision ?? null,
        decidedAtMs: before?.decidedAtMs ?? null,
        undecided,
      };
    const decision = decideReplicas(signals, policy, memory, nowMs);
    this.#tell(before?.decision ?? null, decision, signals);
    return { ...known, decision, decidedAtMs: nowMs, undecided: '' };
  }

  /** An agent that has not spoken may hold replicas; without it every count is too small. */
  #whyNot(nowMs: number): string {
    const { total, unheard } = this.#options.sources.agents();
    if (unheard === 0 || nowMs - this.#startedAtMs >= hearingMs) return '';
    return `${unheard} of ${total} agents have not been heard yet`;
  }

  #tell(before: ScalingDecision | null, decision: ScalingDecision, signals: ModelSignals): void {
    const { metrics, logger } = this.#options;
    metrics.decided(decision);
    if (before?.desired === decision.desired && decision.direction === 'hold') return;
    const { model, desired, current, direction, reason, limitedBy } = decision;
    logger.info(
      { model, desired, from: before?.desired ?? null, current, direction, reason, limitedBy, signals },
      'replicas decided',
    );
  }

  #track(model: string, nowMs: number): Tracked {
    let tracked = this.#tracked.get(model);
    if (!tracked) {
      const [memory, window, forecast] = [new ScalingMemory(), new GatewayWindow(), new LoadForecast()];
      this.#tracked.set(model, (tracked = { memory, window, forecast, scaling: null, seenAtMs: nowMs }));
    }
    tracked.seenAtMs = nowMs;
    return tracked;
  }

  #policyConfig(model: string): ScalingPolicyConfig {
    const { models, defaults } = this.#config;
    return Object.hasOwn(models, model) ? (models[model] as ScalingPolicyConfig) : defaults;
  }
}
