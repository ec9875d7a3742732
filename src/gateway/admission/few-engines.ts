/**
 * Too few engines of a model can take requests: those that can get them, the others wait here for longer than usual, for an engine
 * needs up to a minute and a half to come back, and it is said (header, log, metric). In force at once, so that the first
 * request after a crash waits as well; over when there have been enough for a while, so that a crash loop does not flicker.
 */
import type { ModelPlacement } from '../../placement/placement-types.js';
import type { Clock } from '../../runtime/clock.js';
import type { Logger } from '../../runtime/logger.js';
import type { GatewayMetrics } from '../gateway-metrics.js';
import type { GatewayRouting, ModelReadiness } from '../gateway-routing.js';

/** Name of the step in `x-infernode-degraded`, log and metric. */
export const fewEnginesStep = 'few-engines';

export interface FewEnginesLimits {
  /** How long requests may wait meanwhile; never shorter than `gateway.limits.queueTimeoutMs`. */
  queueTimeoutMs: number;
  /** Enough engines for so long end it. */
  holdMs: number;
}

interface Standing {
  model: string;
  /** Since when there are enough; `null` while there are not. */
  enoughSinceMs: number | null;
}

export interface FewEnginesOptions {
  routing: Pick<GatewayRouting, 'readiness'>;
  /** Asked at each use, so that a reload holds at once; absent: nothing is done. */
  limits: () => FewEnginesLimits | undefined;
  clock: Clock;
  logger: Logger;
  metrics: GatewayMetrics;
}

export class FewEngines {
  readonly #options: FewEnginesOptions;
  readonly #standings = new Map<ModelPlacement, Standing>();

  constructor(options: FewEnginesOptions) {
    this.#options = options;
  }

  /** Whether the step is in force for the model. */
  holds(placement: ModelPlacement): boolean {
    return this.#standings.has(placement);
  }

  /** How long a request for the model may wait, ms; `null` where nothing is different. */
  patienceMs(placement: ModelPlacement): number | null {
    return this.holds(placement) ? (this.#options.limits()?.queueTimeoutMs ?? null) : null;
  }

  /** To be called with every eviction, before its requests look for another place, and from time to time. */
  look(): void {
    const limits = this.#options.limits();
    const models = limits ? [...(this.#options.routing.readiness?.() ?? [])] : [];
    const known = new Set(models.map(({ placement }) => placement));
    for (const [placement, standing] of this.#standings)
      if (!known.has(placement)) this.#leave(placement, standing);
    for (const readiness of models) this.#judge(readiness, limits?.holdMs ?? 0);
  }

  #judge({ model, placement, ready, least }: ModelReadiness, holdMs: number): void {
    const { clock, logger, metrics } = this.#options;
    const standing = this.#standings.get(placement);
    if (ready < least) {
      if (standing) standing.enoughSinceMs = null;
      else {
        this.#standings.set(placement, { model, enoughSinceMs: null });
        metrics.degraded.set({ model, step: fewEnginesStep }, 1);
        logger.warn({ model, step: fewEnginesStep, ready, least }, 'degraded');
      }
    } else if (standing) {
      standing.enoughSinceMs ??= clock.monotonicMs();
      if (clock.monotonicMs() - standing.enoughSinceMs >= holdMs) this.#leave(placement, standing);
    }
  }

  #leave(placement: ModelPlacement, { model }: Standing): void {
    this.#standings.delete(placement);
    this.#options.metrics.degraded.remove({ model, step: fewEnginesStep });
    this.#options.logger.info({ model, step: fewEnginesStep }, 'degradation undone');
  }
}
