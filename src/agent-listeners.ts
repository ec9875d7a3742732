/**
 * The three listeners of the agent. Metrics and probe open first, so that a start can be watched; control opens last, because a
 * snapshot without the engines that are being adopted would take them off every coordinator.
 */
import type { Registry } from 'prom-client';
import type { EngineFleetPart } from './agent-parts.js';
import type { AgentRecovery } from './agent-recovery.js';
import type { AgentConfig } from './config/agent-config.js';
import { formatAddress } from './config/listen-address.js';
import type { EngineStatus } from './domain/engine.js';
import type { DeviceHealthTracker } from './health/device-health.js';
import type { HttpListener } from './metrics/http-listener.js';
import { createMetricsServer, type ScrapeTarget } from './metrics/metrics-server.js';
import { createProbeServer } from './metrics/probe-server.js';
import type { NodeMetrics } from './node/node-metrics.js';
import { createNodeService } from './node/node-service.js';
import type { NodeStatePublisher } from './node/publish-node-state.js';
import type { ReportedWork } from './node/reported-work.js';
import { createRpcServer, type RpcServer } from './rpc/create-rpc-server.js';
import { nodePackage, nodeProto } from './rpc/node-package.js';
import { RpcMetrics } from './rpc/rpc-metrics.js';
import type { Clock } from './runtime/clock.js';
import type { Logger } from './runtime/logger.js';
import { allStarted, settle } from './runtime/service.js';

export interface AgentAddresses {
  control: string;
  probe: string;
  metrics: string;
}

export interface AgentListenersOptions {
  config: AgentConfig;
  clock: Clock;
  logger: Logger;
  registry: Registry;
  nodeMetrics: NodeMetrics;
  publisher: NodeStatePublisher;
  fleet: EngineFleetPart;
  health: DeviceHealthTracker;
  work: ReportedWork;
  recovery: AgentRecovery;
  /** What keeps the agent from being ready, or `null`. */
  notReady: () => string | null;
}

const services = ['', 'infernode.node.v1.NodeService'];

export class AgentListeners {
  readonly #logger: Logger;
  readonly #control: RpcServer;
  readonly #metrics: HttpListener;
  readonly #probe: HttpListener;

  constructor(options: AgentListenersOptions) {
    const { config, logger, registry, fleet, notReady } = options;
    const { listen } = config;
    this.#logger = logger;
    this.#control = createControl(options);
    const scrapeTargets = (): ScrapeTarget[] => fleet.list().flatMap(scrapeTargetOf);
    this.#metrics = createMetricsServer({ listen: listen.metrics, registry, logger, scrapeTargets });
    this.#probe = createProbeServer({
      listen: listen.probe,
      notReady: () => [notReady()].filter((reason) => reason !== null),
      logger,
    });
  }

  get addresses(): AgentAddresses {
    return {
      control: formatAddress(this.#control.address),
      probe: formatAddress(this.#probe.address),
      metrics: formatAddress(this.#metrics.address),
    };
  }

  /** Metrics and probe; throws when one of them cannot listen. */
  open(): Promise<void> {
    return allStarted([this.#metrics.start(), this.#probe.start()]);
  }

  async serve(): Promise<void> {
    await this.#control.start();
    for (const service of services) this.#control.setServing(service, true);
  }

  stopServing(): void {
    for (const service of services) this.#control.setServing(service, false);
  }

  async close(): Promise<void> {
    await Promise.all([
      settle(this.#logger, 'gRPC', this.#control.close()),
      settle(this.#logger, 'metrics', this.#metrics.close()),
      settle(this.#logger, 'probe', this.#probe.close()),
    ]);
  }
}

function createControl(options: AgentListenersOptions): RpcServer {
  const { config, clock, logger, registry, nodeMetrics, publisher, fleet, health, work, recovery } = options;
  const handlers = createNodeService({
    publisher,
    engines: fleet,
    devices: {
      cordonDevice: async (...call) => health.cordonDevice(...call),
      uncordonDevice: async (...call) => health.uncordonDevice(...call),
    },
    work,
    faults: recovery.desk,
    driver: recovery.lease,
    metrics: nodeMetrics,
    logger,
  });
  return createRpcServer({
    listen: config.listen.control,
    tls: config.tls,
    services: [{ definition: nodeProto.NodeService.service, handlers }],
    packages: [nodePackage],
    clock,
    logger,
    metrics: new RpcMetrics(registry),
  });
}

/** An engine without an address has not been started yet. */
function scrapeTargetOf({ id, url, servedModels, origin }: EngineStatus): ScrapeTarget[] {
  if (!URL.canParse(url)) return [];
  const labels = { engine_id: id, model: servedModels[0] ?? '', origin };
  return [{ targets: [new URL(url).host], labels }];
}
