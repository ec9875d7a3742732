/**
 * The coordinator, put together: agents -> watchers -> endpoint registry -> model directory and its placements -> gateway.
 * Reading downwards is reading the path of the news. A state that arrives is applied synchronously up to the requests that
 * it moves, in the same turn of the event loop.
 *
 * Start: control, metrics and probe listeners; agents; then the gateway, once each agent was heard or a moment has passed,
 * so that a coordinator that restarts does not call known models unknown. Close: the gateway drains while agents are still
 * heard; then everything else.
 */
import { randomUUID } from 'node:crypto';
import { defaultModelConfig, type CoordinatorConfig } from './config/coordinator-config.js';
import { formatAddress } from './config/listen-address.js';
import { CoordinatorAgents } from './coordinator-agents.js';
import { CoordinatorGateway } from './coordinator-gateway.js';
import { CoordinatorPlacements } from './coordinator-placements.js';
import { CoordinatorScaling } from './coordinator-scaling.js';
import { compareCoordinatorConfigs, type ReloadResult } from './coordinator-reload.js';
import { ClusterMetrics } from './cluster/cluster-metrics.js';
import { createClusterService } from './cluster/cluster-service.js';
import { censusOf, describeCluster } from './cluster/describe-cluster.js';
import { EndpointRegistry } from './cluster/endpoint-registry.js';
import { ModelDirectory } from './cluster/model-directory.js';
import { createPlacementService, type PlacementService } from './cluster/placement-service.js';
import { SharedWork } from './cluster/shared-work.js';
import { AgentWatchers } from './cluster/watch-agents.js';
import { KubernetesMetrics } from './kubernetes/kubernetes-metrics.js';
import { chainVersion, PrefixHasher, seedFingerprint } from './gateway/request/prefix-chain.js';
import { promptOfRequest } from './gateway/request/prompt-of-request.js';
import { createMetricsRegistry } from './metrics/metrics-registry.js';
import { createMetricsServer } from './metrics/metrics-server.js';
import { createProbeServer } from './metrics/probe-server.js';
import type { InMemoryModelPlacement } from './placement/model-placement.js';
import type { PlacementObserver } from './placement/placement-types.js';
import { createRpcServer, type RpcServer } from './rpc/create-rpc-server.js';
import { clusterPackage, clusterProto } from './rpc/cluster-package.js';
import { placementPackage, placementProto } from './rpc/placement-package.js';
import { RpcMetrics } from './rpc/rpc-metrics.js';
import { sleep, type Clock } from './runtime/clock.js';
import type { Logger } from './runtime/logger.js';
import { allStarted, settle } from './runtime/service.js';

export interface RunCoordinatorOptions {
  clock: Clock;
  logger: Logger;
  version: string;
}

export interface CoordinatorAddresses {
  /** `HOST:PORT`. */
  gateway: string;
  control: string;
  probe: string;
  metrics: string;
}

export interface RunningCoordinator {
  readonly addresses: CoordinatorAddresses;
  /** Takes what can change while running. The configuration has been validated. */
  reload(config: CoordinatorConfig): ReloadResult;
  /** Drains up to the limit, then ends; idempotent. */
  close(): Promise<void>;
  /** Ends without waiting for requests. */
  destroy(reason: string): void;
}

const serviceNames = [
  '',
  'infernode.cluster.v1.ClusterService',
  'infernode.placement.v1.PlacementService',
  'infernode.autoscaling.v1.AutoscalingService',
  'externalscaler.ExternalScaler',
];
/** How long the gateway's start waits for agents that do not answer; others serve meanwhile. */
const firstNewsTimeoutMs = 2_000;
const firstNewsPollMs = 20;

export async function runCoordinator(
  config: CoordinatorConfig,
  options: RunCoordinatorOptions,
): Promise<RunningCoordinator> {
  const coordinator = new Coordinator(config, options);
  try {
    await coordinator.start();
  } catch (error) {
    await coordinator.close();
    throw error;
  }
  return coordinator;
}

class Coordinator implements RunningCoordinator {
  readonly #options: RunCoordinatorOptions;
  readonly #work: SharedWork;
  readonly #watchers: AgentWatchers;
  readonly #agents: CoordinatorAgents;
  readonly #placements: CoordinatorPlacements;
  readonly #directory: ModelDirectory<InMemoryModelPlacement>;
  readonly #gateway: CoordinatorGateway;
  readonly #placement: PlacementService;
  readonly #scaling: CoordinatorScaling;
  readonly #control: RpcServer;
  readonly #metrics;
  readonly #probe;
  #config: CoordinatorConfig;
  #closing: Promise<void> | null = null;

  constructor(config: CoordinatorConfig, options: RunCoordinatorOptions) {
    const { clock, logger, version } = options;
    this.#config = config;
    this.#options = options;
    const prometheus = createMetricsRegistry('coordinator', version);
    const metrics = new ClusterMetrics(prometheus);
    const registry = new EndpointRegistry({ metrics, logger });
    this.#work = new SharedWork({
      epoch: randomUUID(),
      chainVersion,
      seedFingerprint: seedFingerprint(config.placement.hashSeed),
      endpoint: (id) => registry.get(id),
      placementOf: (id) => {
        const placement = this.#directory.placementOf(id);
        return placement && this.#gateway.told(placement);
      },
      clock,
      logger,
      metrics,
    });
    this.#watchers = new AgentWatchers({
      silentAfterMs: config.silentAfterMs,
      registry,
      work: this.#work,
      clock,
      logger,
      metrics,
    });
    const kubernetesMetrics = new KubernetesMetrics(prometheus);
    this.#agents = new CoordinatorAgents({
      watchers: this.#watchers,
      clock,
      logger,
      metrics: kubernetesMetrics,
    });
    this.#placements = new CoordinatorPlacements({
      config: config.placement,
      registry: prometheus,
      observer: this.#tellOfWork(),
      clock,
      logger,
    });
    this.#scaling = new CoordinatorScaling({
      config: config.autoscaling,
      prometheus,
      watchers: this.#watchers,
      registry,
      directory: () => this.#directory,
      workers: () => this.#gateway.workers,
      clock,
      logger,
    });
    this.#directory = new ModelDirectory({
      models: config.models,
      unconfigured: defaultModelConfig,
      createPlacement: (model, modelConfig) => this.#placements.create(model, modelConfig),
      wake: (model) => this.#scaling.wake(model),
      registry,
      logger,
    });
    this.#placements.forgetBy(this.#directory);
    this.#gateway = new CoordinatorGateway({
      config,
      endpoints: registry,
      directory: this.#directory,
      work: this.#work,
      wake: (model) => void this.#scaling.wake(model),
      registry: prometheus,
      clock,
      logger,
    });

    const hasher = new PrefixHasher(config.placement.hashSeed);
    this.#placement = createPlacementService({
      resolve: (model) => this.#directory.resolve(model),
      endpoint: (id) => registry.get(id),
      isShared: (node) => this.#work.isShared(node),
      chainVersion,
      readPrompt: (request) => promptOfRequest(hasher, request),
      sessionKeyOf: (session) => hasher.sessionKeyOf(session),
      clock,
      logger,
      metrics,
    });

    const parts = { watchers: this.#watchers, registry, directory: this.#directory, work: this.#work };
    metrics.observe(censusOf(parts));
    const describe = () => describeCluster({ ...parts, clock, coordinatorVersion: version });
    this.#control = createRpcServer({
      listen: config.listen.control,
      tls: config.tls,
      services: [
        {
          definition: clusterProto.ClusterService.service,
          handlers: createClusterService({ describe, metrics, logger }),
        },
        { definition: placementProto.PlacementService.service, handlers: this.#placement.handlers },
        ...this.#scaling.services,
      ],
      packages: [clusterPackage, placementPackage, ...this.#scaling.packages],
      clock,
      logger,
      metrics: new RpcMetrics(prometheus),
    });
    this.#metrics = createMetricsServer({
      listen: config.listen.metrics,
      registry: this.#gateway.workers ?? prometheus,
      scaling: (model) => this.#scaling.answer(model),
      logger,
    });
    this.#probe = createProbeServer({
      listen: config.listen.probe,
      notReady: () => this.#notReady(),
      logger,
    });
  }

  get addresses(): CoordinatorAddresses {
    return {
      gateway: formatAddress(this.#gateway.address()),
      control: formatAddress(this.#control.address),
      probe: formatAddress(this.#probe.address),
      metrics: formatAddress(this.#metrics.address),
    };
  }

  async start(): Promise<void> {
    await allStarted([this.#control.start(), this.#metrics.start(), this.#probe.start()]);
    this.#agents.configure(this.#config);
    this.#agents.discover(this.#config.discovery);
    await this.#untilFirstNews();
    await this.#gateway.start();
    this.#scaling.start();
    for (const service of serviceNames) this.#control.setServing(service, true);
    this.#options.logger.info(
      { ...this.addresses, agents: this.#config.agents.length },
      'coordinator is ready',
    );
  }

  reload(config: CoordinatorConfig): ReloadResult {
    const result = compareCoordinatorConfigs(this.#config, config);
    this.#gateway.reloadKeys();
    this.#agents.configure(config);
    this.#directory.reconfigure(config.models);
    this.#scaling.reconfigure(config.autoscaling);
    this.#gateway.reload(config);
    this.#config = {
      ...this.#config,
      agents: config.agents,
      engineNetworks: config.engineNetworks,
      models: config.models,
      autoscaling: {
        ...this.#config.autoscaling,
        defaults: config.autoscaling.defaults,
        models: config.autoscaling.models,
        cost: config.autoscaling.cost,
      },
      gateway: {
        ...config.gateway,
        keys: this.#config.gateway.keys,
        sharedStore: this.#config.gateway.sharedStore,
      },
    };
    this.#options.logger.info(result, 'configuration reloaded');
    return result;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  destroy(reason: string): void {
    this.#gateway.destroy(reason);
    void this.close();
  }

  /** Agents and workers hear of what this process places. */
  #tellOfWork(): PlacementObserver {
    const work = this.#work;
    return {
      placed: (lease) => {
        work.placed(lease);
        this.#gateway.push({ kind: 'placed', lease });
      },
      firstToken: (id, cachedTokens) => {
        work.firstToken(id, cachedTokens);
        this.#gateway.push({ kind: 'first-token', id, cachedTokens });
      },
      released: (id) => {
        work.released(id);
        this.#gateway.push({ kind: 'released', id });
      },
    };
  }

  #notReady(): string[] {
    if (this.#gateway.ready) return [];
    return [this.#closing ? 'the gateway drains' : 'the gateway does not listen yet'];
  }

  async #untilFirstNews(): Promise<void> {
    const { clock, logger } = this.#options;
    const deadlineMs = clock.monotonicMs() + firstNewsTimeoutMs;
    const untried = () => this.#watchers.all.filter(({ tried }) => !tried).length;
    while (untried() > 0 && clock.monotonicMs() < deadlineMs && !this.#closing)
      await sleep(clock, firstNewsPollMs);
    if (untried() > 0) logger.warn({ agents: untried() }, 'agents not heard yet; the gateway starts without');
  }

  async #close(): Promise<void> {
    const { logger } = this.#options;
    for (const service of serviceNames) this.#control.setServing(service, false);
    await settle(logger, 'scaling', this.#scaling.close());
    await settle(logger, 'gateway', this.#gateway.close());
    await settle(logger, 'discovery', this.#agents.close());
    this.#placement.close();
    this.#watchers.close();
    await this.#placements.close();
    await Promise.all([
      settle(logger, 'gRPC', this.#control.close()),
      settle(logger, 'metrics', this.#metrics.close()),
      settle(logger, 'probe', this.#probe.close()),
    ]);
    logger.info('coordinator has ended');
  }
}
