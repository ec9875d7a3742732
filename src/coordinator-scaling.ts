/**
 * Autoscaling of a coordinator, put together: what cluster, placement and gateway know becomes signals, the loop decides, and gauges, KEDA's
 * scaler, the API and the own actuator show or do it.
 */
import type { Registry } from 'prom-client';
import { AutoscalingMetrics } from './autoscaling/autoscaling-metrics.js';
import { createAutoscalingService } from './autoscaling/autoscaling-service.js';
import type { ModelView, ReplicaView } from './autoscaling/collect-signals.js';
import { describeScaling, type ScalingDescription } from './autoscaling/describe-scaling.js';
import { ExternalScaler } from './autoscaling/external-scaler.js';
import type { ActorView } from './autoscaling/plan-acts.js';
import { ScalingActuator } from './autoscaling/scaling-actuator.js';
import { ScalingLoop, type ModelScaling } from './autoscaling/scaling-loop.js';
import type { EndpointRegistry } from './cluster/endpoint-registry.js';
import type { DirectoryEntry, ModelDirectory } from './cluster/model-directory.js';
import type { AgentWatchers } from './cluster/watch-agents.js';
import type { CoordinatorConfig } from './config/coordinator-config.js';
import { createElection } from './coordinator-election.js';
import type { ClusterNode } from './domain/cluster-state.js';
import { errorCodes, InfernodeError } from './domain/error-codes.js';
import { countedSeries, countRequests } from './gateway/observe/count-requests.js';
import type { GatewayWorkers } from './gateway-workers.js';
import { jsonAnswer, type HttpAnswer } from './metrics/http-listener.js';
import { standingRefusal } from './placement/eligibility.js';
import type { InMemoryModelPlacement } from './placement/model-placement.js';
import { remainingTokens } from './placement/prefill-pace.js';
import type { RpcServerOptions } from './rpc/create-rpc-server.js';
import { autoscalingPackage, autoscalingProto } from './rpc/autoscaling-package.js';
import { externalScalerPackage, externalScalerProto } from './rpc/external-scaler-package.js';
import { NodeServiceClient, type EngineCall } from './rpc/node-service-client.js';
import type { Clock } from './runtime/clock.js';
import type { Logger } from './runtime/logger.js';

export interface CoordinatorScalingOptions {
  config: CoordinatorConfig['autoscaling'];
  prometheus: Registry;
  watchers: Pick<AgentWatchers, 'all'>;
  registry: EndpointRegistry;
  directory: () => Pick<ModelDirectory<InMemoryModelPlacement>, 'entries' | 'modelNamed'>;
  /** Where the gateway has processes of its own; `null` where it runs in this one. */
  workers: () => Pick<GatewayWorkers, 'workerSeries'> | null;
  clock: Clock;
  logger: Logger;
}

export class CoordinatorScaling {
  readonly packages = [autoscalingPackage, externalScalerPackage];
  readonly #options: CoordinatorScalingOptions;
  readonly #metrics: AutoscalingMetrics;
  readonly #loop: ScalingLoop;
  readonly #scaler: ExternalScaler;
  readonly #actuator: ScalingActuator;

  constructor(options: CoordinatorScalingOptions) {
    const { config, clock, logger, prometheus } = options;
    this.#options = options;
    const metrics = (this.#metrics = new AutoscalingMetrics(prometheus));
    this.#loop = new ScalingLoop({
      config,
      sources: {
        models: () => this.#views(),
        gateway: () => this.#countGateway(),
        agents: () => this.#countAgents(),
        modelOf: (name) => this.#modelOf(name),
      },
      clock,
      logger,
      metrics,
    });
    this.#scaler = new ExternalScaler({ loop: this.#loop, metrics });
    this.#actuator = new ScalingActuator({
      mode: config.actuator,
      loop: this.#loop,
      engines: (model) => this.#actorsOf(model),
      acts: {
        wake: (id) => this.#ask(id, (client, call) => client.wakeEngine(call)),
        start: (id) => this.#ask(id, (client, call) => client.startEngine(call)),
        sleep: (id) => this.#ask(id, (client, call) => client.sleepEngine(call)),
        drain: (id) => this.#ask(id, (client, call) => client.drainEngine(call)),
      },
      election: createElection({ config, clock, logger, metrics }),
      clock,
      logger,
      metrics,
    });
  }

  get services(): RpcServerOptions['services'] {
    return [
      { definition: externalScalerProto.ExternalScaler.service, handlers: this.#scaler.handlers },
      {
        definition: autoscalingProto.AutoscalingService.service,
        handlers: createAutoscalingService({
          describe: (model) => this.#describe(this.#loop.get(model)),
          describeAll: () => this.#loop.all().map((scaling) => this.#describe(scaling)),
          metrics: this.#metrics,
        }),
      },
    ];
  }

  /** `GET /autoscale/v1/models/MODEL`. */
  answer(model: string): HttpAnswer {
    try {
      return jsonAnswer(200, this.#describe(this.#loop.get(model)));
    } catch (error) {
      if (!(error instanceof InfernodeError)) throw error;
      return jsonAnswer(errorCodes[error.code].http, { error: error.code, message: error.message });
    }
  }

  start(): void {
    this.#loop.start();
  }

  /** Requests wait for a model that sleeps; true while an engine of it is on its way. */
  wake(model: string): boolean {
    return this.#actuator.wake(model);
  }

  reconfigure(config: CoordinatorConfig['autoscaling']): void {
    this.#loop.reconfigure(config);
  }

  async close(): Promise<void> {
    this.#scaler.close();
    await this.#actuator.close();
    await this.#loop.close();
  }

  #describe(scaling: ModelScaling): ScalingDescription {
    return describeScaling(scaling, this.#options.clock.monotonicMs());
  }

  #views(): ModelView[] {
    const nodes = new Map(
      this.#options.watchers.all.flatMap((watcher) => {
        const node = watcher.describe();
        return node.state ? [[node.state.node, node] as const] : [];
      }),
    );
    return this.#options
      .directory()
      .entries()
      .map((entry) => ({
        model: entry.model,
        slo: entry.config.slo,
        replicas: this.#replicasOf(entry, nodes),
      }));
  }

  #replicasOf(
    entry: DirectoryEntry<InMemoryModelPlacement>,
    nodes: ReadonlyMap<string, ClusterNode>,
  ): ReplicaView[] {
    const nowMs = this.#options.clock.monotonicMs();
    const members = new Map(entry.placement.members().map((member) => [member.state.id, member]));
    return [...entry.endpointIds].flatMap((id) => {
      const endpoint = this.#options.registry.get(id);
      const member = members.get(id);
      if (!endpoint || !member) return [];
      const node = nodes.get(endpoint.node);
      const engine = node?.state?.engines.find((one) => one.id === endpoint.engineId);
      const devices = node?.state?.devices.filter(({ identity }) =>
        engine?.deviceUuids.includes(identity.uuid),
      );
      const pace = member.pace.tokensPerMs;
      return {
        id,
        state: endpoint.engineState,
        usable: standingRefusal(member.state) === null,
        ageMs: endpoint.nodeSilent ? null : (node?.silentForMs ?? null),
        kvCacheUsageRatio: engine?.load?.kvCacheUsageRatio ?? null,
        waiting: engine?.load?.waiting ?? null,
        gpuUtilizationRatio: meanOf(
          devices?.map(({ reading }) => reading?.gpuUtilizationRatio ?? null) ?? [],
        ),
        inFlight: member.load.requests,
        gpus: devices?.map(({ identity }) => identity.name) ?? [],
        unprefilledTokens: Math.max(0, remainingTokens(member.load, pace, nowMs)),
        prefillTokensPerSecond: pace === null ? null : pace * 1000,
      };
    });
  }

  async #countGateway(): ReturnType<ConstructorParameters<typeof ScalingLoop>[0]['sources']['gateway']> {
    const { workers, prometheus } = this.#options;
    const series = await (workers()?.workerSeries() ??
      Promise.all(countedSeries.flatMap((name) => prometheus.getSingleMetric(name)?.get() ?? [])));
    return series && countRequests(series, (label) => this.#modelOf(label) ?? label);
  }

  #countAgents(): { total: number; unheard: number } {
    const { all } = this.#options.watchers;
    return {
      total: all.length,
      unheard: all.filter(({ silentForMs }) => !Number.isFinite(silentForMs)).length,
    };
  }

  #modelOf(name: string): string | undefined {
    return this.#options.directory().modelNamed(name);
  }

  #actorsOf(model: string): ActorView[] {
    const { directory, registry } = this.#options;
    const entry = directory()
      .entries()
      .find((one) => one.model === model);
    if (!entry) return [];
    const { placement, endpointIds } = entry;
    return [...endpointIds].flatMap((id) => {
      const endpoint = registry.get(id);
      const node = endpoint && this.#nodeNamed(endpoint.node);
      const engine = node?.state?.engines.find((one) => one.id === endpoint?.engineId);
      if (!endpoint || !engine) return [];
      const load = placement.members().find((member) => member.state.id === id)?.load;
      const { cordonHolders, evicting, nodeSilent, deviceHealth } = endpoint;
      const sound = deviceHealth === 'healthy' || deviceHealth === 'degraded';
      return {
        id,
        state: endpoint.engineState,
        supervised: engine.origin === 'supervised',
        free: cordonHolders.length === 0 && !evicting && !nodeSilent && sound && !engine.standby,
        inFlight: load?.requests ?? 0,
        unprefilledTokens: load?.queuedTokens ?? 0,
        cachedBlocks: placement.heldBlocks(id),
      };
    });
  }

  #nodeNamed(name: string): ClusterNode | undefined {
    return this.#options.watchers.all
      .map((watcher) => watcher.describe())
      .find(({ state }) => state?.node === name);
  }

  /** On a connection of its own, with the epoch that the decision was made by: an agent that has restarted since refuses. */
  async #ask(
    id: string,
    call: (client: NodeServiceClient, request: EngineCall) => Promise<unknown>,
  ): Promise<void> {
    const { watchers, registry } = this.#options;
    const endpoint = registry.get(id);
    const watcher = watchers.all.find((one) => one.describe().state?.node === endpoint?.node);
    const state = watcher?.describe().state;
    if (!endpoint || !watcher || !state)
      throw new InfernodeError('engine-unknown', `expected an engine of a watched node, got ${id}`);
    const { address, tls } = watcher.agent;
    const client = new NodeServiceClient({ address, ...(tls ? { tls } : {}) });
    try {
      await call(client, { engineId: endpoint.engineId, expectedEpoch: state.epoch });
    } finally {
      client.close();
    }
  }
}

function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.flatMap((value) => value ?? []);
  return known.length > 0 ? known.reduce((a, b) => a + b, 0) / known.length : null;
}
