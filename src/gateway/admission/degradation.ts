/**
 * Less for everybody before nothing for some: steps that a model's queue climbs as it grows, and comes down in the opposite
 * order as it shrinks. Which steps there are is configuration; what a step can do is here: cap the tokens that new requests
 * may generate, refuse the least urgent. A step is left only when the queue has stayed below its lower limit for a while,
 * so that a queue around a limit does not make the answers flicker.
 */
import { priorities, type Priority } from '../../domain/priority.js';
import type { Clock } from '../../runtime/clock.js';
import type { Logger } from '../../runtime/logger.js';
import type { GatewayMetrics } from '../gateway-metrics.js';

export interface DegradationStep {
  /** Said in `x-infernode-degraded`, log and metric. */
  name: string;
  /** Entered when more requests wait, left when fewer than `queueBelow` do for `holdMs`. */
  queueAbove: number;
  queueBelow: number;
  holdMs: number;
  /** Most tokens a new request may generate. */
  maxTokens?: number | undefined;
  /** Requests of this class and less urgent ones are refused. */
  shed?: Priority | undefined;
}

interface Standing {
  /** Steps entered, in order. */
  level: number;
  /** Since when the queue has been low enough for the last step to be left; `null` while it is not. */
  lowSinceMs: number | null;
}

export interface Degraded {
  /** Names of the steps in force, comma-separated; empty when none is. */
  names: string;
  maxTokens: number | null;
  sheds: boolean;
}

const none: Degraded = { names: '', maxTokens: null, sheds: false };

export class Degradation {
  readonly #standings = new Map<string, Standing>();
  /** Models with an engine whose own queue is long, by its agent's word: that is the first step's case as well. */
  #pressed: ReadonlySet<string> = new Set();

  constructor(
    /** Asked at each use, so that a reload holds at once. */
    readonly steps: () => readonly DegradationStep[],
    readonly options: { clock: Clock; logger: Logger; metrics: GatewayMetrics },
  ) {}

  /** What holds for a new request of the model while so many of its requests wait. */
  of(model: string, waitingHere: number, priority: Priority): Degraded {
    const steps = this.steps();
    const waiting = this.#withPressure(model, waitingHere);
    const standing = this.#standings.get(model);
    if (standing === undefined && (steps.length === 0 || waiting <= (steps[0]?.queueAbove ?? 0))) return none;
    const level = this.#move(model, waiting, steps);
    const active = steps.slice(0, level);
    const caps = active.flatMap(({ maxTokens }) => maxTokens ?? []);
    return {
      names: active.map(({ name }) => name).join(','),
      maxTokens: caps.length > 0 ? Math.min(...caps) : null,
      sheds: active.some(
        ({ shed }) => shed !== undefined && priorities.indexOf(priority) >= priorities.indexOf(shed),
      ),
    };
  }

  /** A model that nobody asks for comes down as well: called from time to time with the queues as they are. */
  settle(waiting: (model: string) => number, pressed: ReadonlySet<string>): void {
    this.#pressed = pressed;
    for (const model of [...this.#standings.keys()])
      this.#move(model, this.#withPressure(model, waiting(model)), this.steps());
  }

  /** Requests that wait in an engine count as a queue just long enough for the first step, here and in every worker. */
  #withPressure(model: string, waiting: number): number {
    const [first] = this.steps();
    return first && this.#pressed.has(model) ? Math.max(waiting, first.queueAbove + 1) : waiting;
  }

  #move(model: string, waiting: number, steps: readonly DegradationStep[]): number {
    const standing = this.#standings.get(model) ?? { level: 0, lowSinceMs: null };
    while (standing.level > steps.length) this.#leave(model, standing, `step-${standing.level}`, waiting);
    for (
      let next = steps[standing.level];
      next !== undefined && waiting > next.queueAbove;
      next = steps[standing.level]
    )
      this.#enter(model, standing, next.name, waiting);
    const last = steps[standing.level - 1];
    if (last === undefined || waiting >= last.queueBelow) standing.lowSinceMs = null;
    else {
      const nowMs = this.options.clock.monotonicMs();
      standing.lowSinceMs ??= nowMs;
      if (nowMs - standing.lowSinceMs >= last.holdMs) this.#leave(model, standing, last.name, waiting);
    }
    if (standing.level === 0) this.#standings.delete(model);
    else this.#standings.set(model, standing);
    return standing.level;
  }

  #enter(model: string, standing: Standing, step: string, waiting: number): void {
    standing.level += 1;
    standing.lowSinceMs = null;
    this.options.metrics.degraded.set({ model, step }, 1);
    this.options.logger.warn({ model, step, waiting }, 'degraded');
  }

  #leave(model: string, standing: Standing, step: string, waiting: number): void {
    standing.level -= 1;
    standing.lowSinceMs = null;
    this.options.metrics.degraded.remove({ model, step });
    this.options.logger.info({ model, step, waiting }, 'degradation undone');
  }
}
