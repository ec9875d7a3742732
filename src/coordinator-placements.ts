/**
 * The placements of a coordinator, one per model: made with its constants, counted, and recorded where a log is configured. Their
 * series go with their model.
 */
import type { Registry } from 'prom-client';
import { PlacementRecorder } from './cluster/record-placements.js';
import type { CoordinatorConfig, ModelConfig } from './config/coordinator-config.js';
import { ForgetModels } from './gateway/observe/forget-models.js';
import type { GatewayRouting } from './gateway/gateway-routing.js';
import { InMemoryModelPlacement } from './placement/model-placement.js';
import { RecordedPlacement } from './placement/placement-log.js';
import { PlacementMetrics } from './placement/placement-metrics.js';
import type { PlacementObserver } from './placement/placement-types.js';
import type { Clock } from './runtime/clock.js';
import type { Logger } from './runtime/logger.js';
import { settle } from './runtime/service.js';

export interface CoordinatorPlacementsOptions {
  config: CoordinatorConfig['placement'];
  registry: Registry;
  /** Who hears of what is placed, starts and ends here. */
  observer: PlacementObserver;
  clock: Clock;
  logger: Logger;
}

export class CoordinatorPlacements {
  readonly #options: CoordinatorPlacementsOptions;
  readonly #metrics: PlacementMetrics;
  readonly #recorder: PlacementRecorder | null;
  #forgetModels: ForgetModels | null = null;

  constructor(options: CoordinatorPlacementsOptions) {
    const { config, registry, clock, logger } = options;
    this.#options = options;
    this.#metrics = new PlacementMetrics(registry, clock);
    this.#recorder = config.log ? new PlacementRecorder({ ...config.log, logger }) : null;
  }

  create(model: string, { strategy, healthRule }: ModelConfig): InMemoryModelPlacement {
    const { loadFactor, constants } = this.#options.config;
    const observer = { ...this.#metrics.observerFor(model), ...this.#options.observer };
    const settings = { strategy, healthRule, constants: { ...constants, loadFactor }, observer };
    const recorder = this.#recorder;
    const placement = recorder
      ? new RecordedPlacement(settings, (entry) => recorder.write(model, entry))
      : new InMemoryModelPlacement(settings);
    this.#metrics.watch(model, placement);
    return placement;
  }

  /** From now on the series of models go that the routing has not resolved for long. */
  forgetBy(routing: Pick<GatewayRouting, 'resolve'>): void {
    this.#forgetModels = new ForgetModels({ routing, metrics: this.#metrics, clock: this.#options.clock });
  }

  async close(): Promise<void> {
    this.#forgetModels?.close();
    if (this.#recorder) await settle(this.#options.logger, 'placement log', this.#recorder.close());
  }
}
