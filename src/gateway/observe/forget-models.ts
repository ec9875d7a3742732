/**
 * Removes the series of models that nobody serves any more: adapters come and go, and what once had a name must not be
 * scraped for ever. Not at once, for an engine that restarts takes its model away for minutes.
 */
import type { Clock, Timer } from '../../runtime/clock.js';
import { unknownModel, type GatewayMetrics } from '../gateway-metrics.js';
import type { GatewayRouting } from '../gateway-routing.js';

/** Loading a large model takes some minutes, and a Prometheus that was away should still find the last counts. */
export const keptMs = 30 * 60_000;
export const sweepEveryMs = 60_000;

export class ForgetModels {
  readonly #absentSinceMs = new Map<string, number>();
  readonly #timer: Timer;

  constructor(
    readonly options: {
      routing: Pick<GatewayRouting, 'resolve'>;
      metrics: Pick<GatewayMetrics, 'models' | 'forget'>;
      clock: Clock;
    },
  ) {
    this.#timer = options.clock.every(sweepEveryMs, () => void this.sweep());
  }

  async sweep(): Promise<void> {
    const { routing, metrics, clock } = this.options;
    const nowMs = clock.monotonicMs();
    for (const model of await metrics.models()) {
      if (model === unknownModel || routing.resolve(model) !== null) {
        this.#absentSinceMs.delete(model);
        continue;
      }
      const sinceMs = this.#absentSinceMs.get(model) ?? nowMs;
      this.#absentSinceMs.set(model, sinceMs);
      if (nowMs - sinceMs < keptMs) continue;
      this.#absentSinceMs.delete(model);
      await metrics.forget(model);
    }
  }

  close(): void {
    this.#timer.cancel();
  }
}
