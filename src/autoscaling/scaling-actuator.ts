/**
 * The own actuator, where no KEDA scales: after each round it wakes, starts and releases engines through their agents, one owner among all
 * coordinators. A release is a sleep where the template has one, else a drain that ends in a stop; work in flight finishes either way.
 *
 * What must stay true: it acts only on a decision of this very round; each act is written to the audit log with its reason and its end; an
 * engine whose act failed is left alone for a while; losing the lease ends acting at once.
 */
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import type { LeaderElection } from '../domain/leader-election.js';
import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { AutoscalingMetrics } from './autoscaling-metrics.js';
import { planActs, type Act, type ActorView } from './plan-acts.js';
import type { ModelScaling, ScalingLoop } from './scaling-loop.js';

/** The calls of `NodeService` that scale, by `node/engine`. */
export interface EngineActs {
  wake(id: string): Promise<void>;
  start(id: string): Promise<void>;
  sleep(id: string): Promise<void>;
  drain(id: string): Promise<void>;
}

export interface ScalingActuatorOptions {
  mode: 'off' | 'dry-run' | 'on';
  loop: Pick<ScalingLoop, 'all' | 'onRound'>;
  engines: (model: string) => readonly ActorView[];
  acts: EngineActs;
  /** `null`: this is the only coordinator. */
  election: LeaderElection | null;
  clock: Clock;
  logger: Logger;
  metrics: AutoscalingMetrics;
}

/** An act shows in the engine's state within this time, or counts as failed; an engine whose act failed is left alone as long. */
const settleMs = 60_000;

/** A wake that takes longer is no reason to wait any more. */
const wakeMs = 600_000;
const waitReason = 'requests wait for it';

interface UnderWay {
  act: Act['act'];
  /** State of the engine when it was asked. */
  from: string;
  sinceMs: number;
  failed: boolean;
}

export class ScalingActuator {
  readonly #options: ScalingActuatorOptions;
  readonly #audit: Logger;
  readonly #underWay = new Map<string, UnderWay>();
  /** When a model was last woken for requests that wait. */
  readonly #wokenAtMs = new Map<string, number>();
  readonly #unsubscribe: () => void;

  constructor(options: ScalingActuatorOptions) {
    this.#options = options;
    this.#audit = options.logger.child({ audit: true });
    this.#unsubscribe = options.mode === 'off' ? () => undefined : options.loop.onRound(() => this.#round());
  }

  /**
   * Requests wait for a model that sleeps: one engine wakes, whoever scales. True while one is on its way. A wake is no scale: it needs no
   * lease, and a second one is refused by the agent.
   */
  wake(model: string): boolean {
    const engines = this.#options.engines(model);
    this.#settle(engines);
    const nowMs = this.#options.clock.monotonicMs();
    const waking = nowMs - (this.#wokenAtMs.get(model) ?? -Infinity) < wakeMs;
    if (engines.some(({ id, state }) => this.#comes(id) || (waking && state === 'starting'))) return true;
    const sleeper = engines.find(
      ({ id, state, free }) => state === 'asleep' && free && !this.#underWay.has(id),
    );
    if (sleeper === undefined) return false;
    this.#wokenAtMs.set(model, nowMs);
    this.#do(model, { act: 'wake', id: sleeper.id }, sleeper.state, waitReason);
    return true;
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#options.election?.close();
  }

  #round(): void {
    const { loop, election } = this.#options;
    if (election?.leading === false) return;
    for (const scaling of loop.all()) this.#act(scaling);
  }

  #act({ signals, decision, undecided }: ModelScaling): void {
    if (decision === null || undecided !== '') return;
    const engines = this.#options.engines(signals.model);
    this.#settle(engines);
    const mine = new Map(
      engines.flatMap(({ id }) => {
        const one = this.#underWay.get(id);
        return one ? [[id, one] as const] : [];
      }),
    );
    const pending = new Map([...mine].filter(([, { failed }]) => !failed).map(([id, { act }]) => [id, act]));
    const usable = engines.map((engine) => ({
      ...engine,
      free: engine.free && !(mine.get(engine.id)?.failed ?? false),
    }));
    for (const act of planActs(decision, usable, pending)) {
      const from = engines.find(({ id }) => id === act.id)?.state ?? '';
      this.#do(signals.model, act, from, decision.reason);
    }
  }

  #do(model: string, { act, id }: Act, from: string, reason: string): void {
    const { mode, clock, metrics } = this.#options;
    const told = { act, endpoint: id, model, reason };
    // A request that waits is no scaling: the wake for it happens in every mode.
    if (mode === 'dry-run' && reason !== waitReason) {
      this.#underWay.set(id, { act, from, sinceMs: clock.monotonicMs(), failed: true });
      metrics.acts.inc({ act, result: 'dry-run' });
      this.#audit.info({ ...told, result: 'dry-run' }, 'scaling would act');
      return;
    }
    const underWay: UnderWay = { act, from, sinceMs: clock.monotonicMs(), failed: false };
    this.#underWay.set(id, underWay);
    this.#call(act, id).then(
      () => {
        metrics.acts.inc({ act, result: 'ok' });
        this.#audit.info({ ...told, result: 'ok' }, 'scaling acted');
      },
      (error: unknown) => {
        underWay.failed = true;
        metrics.acts.inc({ act, result: error instanceof InfernodeError ? error.code : 'internal' });
        this.#audit.warn({ ...told, result: 'failed', error: messageOf(error) }, 'scaling could not act');
      },
    );
  }

  async #call(act: Act['act'], id: string): Promise<void> {
    const { acts } = this.#options;
    if (act === 'wake') return acts.wake(id);
    if (act === 'start') return acts.start(id);
    try {
      await acts.sleep(id);
    } catch (error) {
      // The agent is there and its engine cannot sleep.
      if (!(error instanceof InfernodeError && error.code === 'engine-wrong-state')) throw error;
      if (this.#options.election?.leading === false) throw error;
      await acts.drain(id);
    }
  }

  /** What shows in the engine's state is done; what does not in time is tried again. */
  #settle(engines: readonly ActorView[]): void {
    const nowMs = this.#options.clock.monotonicMs();
    const states = new Map(engines.map(({ id, state }) => [id, state]));
    for (const [id, { from, sinceMs }] of this.#underWay) {
      const late = nowMs - sinceMs > settleMs;
      const shows = states.has(id) && states.get(id) !== from;
      if (late || shows) this.#underWay.delete(id);
    }
  }

  #comes(id: string): boolean {
    const one = this.#underWay.get(id);
    return one !== undefined && !one.failed && one.act !== 'release';
  }
}
