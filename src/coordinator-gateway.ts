/**
 * The gateway of a coordinator, in its own process or in workers: one face for both. It is told what is placed elsewhere, and
 * what a reload changes; the gateway reads its settings at each use, so that they hold from the next request on.
 */
import type { Registry } from 'prom-client';
import type { EndpointRegistry } from './cluster/endpoint-registry.js';
import type { ModelDirectory } from './cluster/model-directory.js';
import type { ObservingPlacement, SharedWork } from './cluster/shared-work.js';
import type { CoordinatorConfig } from './config/coordinator-config.js';
import type { ListenAddress } from './config/listen-address.js';
import { GatewayMetrics } from './gateway/gateway-metrics.js';
import { Gateway } from './gateway/gateway-server.js';
import { wordsWorthReading } from './gateway/relay/sse-observer.js';
import type { WorkEvent } from './gateway-worker-channel.js';
import { GatewayWorkers } from './gateway-workers.js';
import { openEventRelay } from './native/event-relay.js';
import type { ModelPlacement } from './placement/placement-types.js';
import type { Clock } from './runtime/clock.js';
import type { Logger } from './runtime/logger.js';
import type { Service } from './runtime/service.js';

export interface CoordinatorGatewayOptions {
  config: CoordinatorConfig;
  endpoints: EndpointRegistry;
  directory: ModelDirectory;
  /** What workers place, for the agents. */
  work: SharedWork;
  wake: (model: string) => void;
  registry: Registry;
  clock: Clock;
  logger: Logger;
}

type Settings = Pick<CoordinatorConfig['gateway'], 'limits' | 'retry' | 'degradation'>;

export class CoordinatorGateway implements Service {
  readonly #front: Gateway | GatewayWorkers;
  readonly #settings: Settings;

  constructor(options: CoordinatorGatewayOptions) {
    const { limits, retry, degradation, workers } = options.config.gateway;
    this.#settings = { limits: { ...limits }, retry: { ...retry }, degradation: { ...degradation } };
    this.#front =
      workers > 1
        ? new GatewayWorkers({ ...options, placementOf: (id) => options.directory.placementOf(id) })
        : createGateway(options, this.#settings);
  }

  /** `null` where the gateway is in this process. */
  get workers(): GatewayWorkers | null {
    return this.#front instanceof GatewayWorkers ? this.#front : null;
  }

  address(): ListenAddress {
    return this.#front.address();
  }

  get ready(): boolean {
    return this.#front.ready;
  }

  start(): Promise<void> {
    return this.#front.start();
  }

  close(): Promise<void> {
    return this.#front.close();
  }

  destroy(reason: string): void {
    this.#front.destroy(reason);
  }

  /** Throws when the file of keys is none; the old keys and settings then stay. */
  reloadKeys(): void {
    this.#front.reloadKeys();
  }

  reload(config: CoordinatorConfig): void {
    const { limits, retry, degradation } = config.gateway;
    Object.assign(this.#settings.limits, limits);
    Object.assign(this.#settings.retry, retry);
    Object.assign(this.#settings.degradation, degradation);
    this.workers?.reload(config);
  }

  /** The placement as those see it who tell of other coordinators' work: workers hear of it too. */
  told(placement: ModelPlacement): ObservingPlacement {
    return this.workers?.told(placement) ?? placement;
  }

  /** Something was placed, started or ended outside the workers. */
  push(event: WorkEvent): void {
    this.workers?.push(event);
  }
}

function createGateway(
  { config, directory, registry, clock, logger }: CoordinatorGatewayOptions,
  settings: Settings,
): Gateway {
  const { listen, tls, gateway, placement } = config;
  return new Gateway({
    ...gateway,
    ...settings,
    listen: listen.gateway,
    tls,
    routing: directory,
    hashSeed: placement.hashSeed,
    clock,
    logger,
    metrics: new GatewayMetrics(registry),
    eventRelay: gateway.nativeRelay ? openEventRelay(wordsWorthReading, logger) : null,
  });
}
