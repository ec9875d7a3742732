/**
 * The agent of one GPU node, put together: sampler -> health -> engines -> node state -> listeners. Reading downwards is
 * reading the path of a fault. Events and samples are handled synchronously from the sampler to the `WatchNode` streams,
 * so that a fault is on the wire in the same turn of the event loop in which it was heard.
 *
 * Start: lock and state, metrics and probe (not ready yet), sampler, first sample, engines, and only then the control
 * listener: a snapshot without the engines that are being adopted would take them off every coordinator. Close, in order: not ready; engines (kept,
 * unless told to stop them); streams; listeners; sampler; state file; lock.
 */
import { join } from 'node:path';
import type { Registry } from 'prom-client';
import type { AgentConfig } from './config/agent-config.js';
import { formatAddress } from './config/listen-address.js';
import { AgentKubernetes } from './agent-kubernetes.js';
import { compareAgentConfigs, warnOfUnknownChecks, type ReloadResult } from './agent-reload.js';
import { addCordon, removeCordon } from './domain/cordon.js';
import type { DeviceStatus, DriverState } from './domain/device.js';
import type { EngineStatus } from './domain/engine.js';
import { HostWatch } from './agent-host.js';
import type { HistoryEntry } from './domain/history.js';
import { AgentRecovery } from './agent-recovery.js';
import { createAgentParts, type AgentParts, type EngineFleetPart, type SamplerPart } from './agent-parts.js';
import { DeviceProber } from './device/device-prober.js';
import { NodeHeartbeats } from './device/node-heartbeats.js';
import { DeviceProbeMetrics } from './device/probe-metrics.js';
import type { KernelNews } from './device/sample-devices.js';
import { DeviceHealthTracker } from './health/device-health.js';
import { isStoredHealth, type StoredHealth } from './health/stored-health.js';
import { HealthHistory, isHistoryEntry, maxHistoryEntries } from './health/health-history.js';
import { HealthMetrics } from './health/health-metrics.js';
import { createMetricsRegistry } from './metrics/metrics-registry.js';
import { createMetricsServer, type ScrapeTarget } from './metrics/metrics-server.js';
import { createProbeServer } from './metrics/probe-server.js';
import { bridgesOf } from './node/pci-bridges.js';
import { readHostInventory } from './node/host-inventory.js';
import { readBootId, readMachineId } from './node/node-identity.js';
import { NodeMetrics } from './node/node-metrics.js';
import { createNodeService } from './node/node-service.js';
import { NodeStore } from './node/node-store.js';
import { NodeStatePublisher } from './node/publish-node-state.js';
import { ReportedWork } from './node/reported-work.js';
import { StateLock } from './node/state-lock.js';
import { createRpcServer } from './rpc/create-rpc-server.js';
import { nodePackage, nodeProto } from './rpc/load-proto.js';
import { RpcMetrics } from './rpc/rpc-metrics.js';
import type { Clock } from './runtime/clock.js';
import { Journal } from './runtime/journal.js';
import type { Logger } from './runtime/logger.js';
import { allStarted, settle } from './runtime/service.js';

export interface RunAgentOptions {
  clock: Clock;
  logger: Logger;
  version: string;
  /** The sampler and the engines; replaced by tests. */
  parts?: AgentParts;
}

export interface AgentAddresses {
  control: string;
  probe: string;
  metrics: string;
}

export interface RunningAgent {
  readonly addresses: AgentAddresses;
  /** Takes what can change while running: templates and check settings. The configuration has been validated. */
  reload(config: AgentConfig): ReloadResult;
  /** Idempotent. Engines go on without the agent unless `stopEngines`. */
  close(options?: { stopEngines?: boolean }): Promise<void>;
}

const nodeServiceName = 'infernode.node.v1.NodeService';
/** Faults and what became of them: two files of 8 MiB hold some 50,000 entries. */
const historyBytes = 8 * 1024 * 1024;
/** Engines name devices by index, which only a sample can resolve; without one the start goes on and says so. */
const firstSampleTimeoutMs = 10_000;
/** A driver call that hangs must not keep the agent from ending. */
const samplerCloseTimeoutMs = 3_000;

export async function runAgent(config: AgentConfig, options: RunAgentOptions): Promise<RunningAgent> {
  const bootId = readBootId();
  const lock = StateLock.take(config.stateDir, bootId);
  const agent = assemble(config, options, lock, bootId);
  try {
    await agent.start();
  } catch (error) {
    await agent.close();
    throw error;
  }
  return agent;
}

/** A part that cannot be made must not leave the state directory locked. */
function assemble(config: AgentConfig, options: RunAgentOptions, lock: StateLock, bootId: string): Agent {
  try {
    return new Agent(config, options, lock, bootId);
  } catch (error) {
    lock.release();
    throw error;
  }
}

class Agent implements RunningAgent {
  readonly #options: RunAgentOptions;
  readonly #lock: StateLock;
  readonly #store: NodeStore<StoredHealth>;
  readonly #journal: Journal<HistoryEntry>;
  readonly #history: HealthHistory;
  readonly #sampler: SamplerPart;
  readonly #health: DeviceHealthTracker;
  readonly #fleet: EngineFleetPart;
  readonly #heartbeats: NodeHeartbeats;
  readonly #host: HostWatch;
  readonly #work: ReportedWork;
  readonly #recovery: AgentRecovery;
  readonly #publisher: NodeStatePublisher;
  readonly #kubernetes: AgentKubernetes;
  readonly #control;
  readonly #metrics;
  readonly #probe;
  readonly #incarnations = new Map<string, string>();
  readonly #engineStates = new Map<string, string>();
  #config: AgentConfig;
  #driver: DriverState = { state: 'released', reason: 'the driver has not been opened yet' };
  #notReady: string | null = 'starting';
  #firstSample!: () => void;
  readonly #sampled = new Promise<void>((resolve) => (this.#firstSample = resolve));
  #closing: Promise<void> | null = null;

  constructor(config: AgentConfig, options: RunAgentOptions, lock: StateLock, bootId: string) {
    const { clock, logger, version, parts = createAgentParts() } = options;
    this.#config = config;
    this.#options = options;
    warnOfUnknownChecks(config, logger);

    this.#lock = lock;
    this.#store = new NodeStore({ stateDir: config.stateDir, bootId, isHealth: isStoredHealth, logger });
    const machineId = readMachineId(config.node.machineId, this.#store.machineId);
    const registry = createMetricsRegistry('agent', version);

    const nodeMetrics = new NodeMetrics(registry);
    this.#work = new ReportedWork({
      clock,
      metrics: nodeMetrics,
      onFold: (work) => this.#publisher.publishWork(work),
    });
    this.#journal = new Journal({
      path: join(config.stateDir, 'history', 'events.jsonl'),
      maxBytes: historyBytes,
    });
    this.#history = new HealthHistory({ clock, onEntry: (entry) => this.#journal.append(entry) });
    this.#sampler = parts.createSampler({ config, clock, logger, registry });
    this.#health = new DeviceHealthTracker({
      clock,
      logger,
      metrics: new HealthMetrics(registry, config.node.name),
      history: this.#history,
      sampleIntervalMs: config.nvml.sampleIntervalMs,
      settings: config.health.checks,
      bootId,
      restored: this.#store.health,
      host: { bridgesOf, engineOf: (pid) => this.#fleet.engineOf(pid) },
      onDevices: (devices) => this.#devicesChanged(devices),
      onFault: (fault) => this.#guard('fault', () => this.#fleet.applyFault(fault)),
      onStore: (health) => this.#store.save({ health, machineId }),
    });
    const { heartbeats, prober } = createProbes(config, options, registry);
    this.#heartbeats = heartbeats;
    this.#fleet = parts.createFleet({
      config,
      clock,
      logger,
      registry,
      bootId,
      sampler: this.#sampler,
      devices: () => this.#health.devices,
      workInFlight: (engineId) => this.#work.inFlight(engineId),
      heartbeatMissed: (uuid) => this.#heartbeats.missed(uuid),
    });
    this.#host = new HostWatch({
      clock,
      logger,
      health: this.#health,
      fleet: this.#fleet,
      latestSample: () => this.#sampler.latest?.() ?? null,
      diskPaths: [config.stateDir, ...config.health.disks],
      probes: () => prober.results,
    });
    this.#recovery = new AgentRecovery({
      prober,
      ...{ config, clock, logger, registry },
      ...{ sampler: this.#sampler, fleet: this.#fleet, health: this.#health, history: this.#history },
    });
    this.#publisher = new NodeStatePublisher({
      node: config.node.name,
      machineId,
      agentVersion: version,
      clock,
      metrics: nodeMetrics,
      allWork: () => this.#work.all(),
    });
    this.#kubernetes = new AgentKubernetes({
      config,
      registry,
      clock,
      logger,
      onCordoned: (cordoned) => this.#kubernetesCordoned(cordoned),
    });
    this.#control = createRpcServer({
      listen: config.listen.control,
      tls: config.tls,
      services: [
        {
          definition: nodeProto.NodeService.service,
          handlers: createNodeService({
            publisher: this.#publisher,
            engines: this.#fleet,
            devices: {
              cordonDevice: async (...call) => this.#health.cordonDevice(...call),
              uncordonDevice: async (...call) => this.#health.uncordonDevice(...call),
            },
            work: this.#work,
            faults: this.#recovery.desk,
            driver: this.#recovery.lease,
            metrics: nodeMetrics,
            logger,
          }),
        },
      ],
      packages: [nodePackage],
      clock,
      logger,
      metrics: new RpcMetrics(registry),
    });
    this.#metrics = createMetricsServer({
      listen: config.listen.metrics,
      registry,
      logger,
      scrapeTargets: () => this.#fleet.list().flatMap(scrapeTargetOf),
    });
    this.#probe = createProbeServer({
      listen: config.listen.probe,
      notReady: () => (this.#notReady === null ? [] : [this.#notReady]),
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

  async start(): Promise<void> {
    const { logger } = this.#options;
    this.#wire();
    await allStarted([this.#metrics.start(), this.#probe.start()]);
    // Before anything can happen that would be numbered.
    this.#history.restore(await this.#journal.read(maxHistoryEntries, isHistoryEntry));
    await this.#sampler.start();
    // Somebody is at the driver since before this agent began.
    if (this.#recovery.lease.isHeldByOthers) await this.#sampler.release();
    this.#health.start();
    this.#host.start();
    await this.#untilFirstSample();
    await this.#fleet.start();
    this.#publish();
    await this.#control.start();
    this.#notReady = null;
    for (const service of ['', nodeServiceName]) this.#control.setServing(service, true);
    logger.info({ node: this.#config.node.name, ...this.addresses }, 'agent is ready');
    void this.#describeHost();
  }

  reload(config: AgentConfig): ReloadResult {
    const result = compareAgentConfigs(this.#config, config);
    warnOfUnknownChecks(config, this.#options.logger);
    if (result.applied.includes('health.checks')) this.#health.reconfigure(config.health.checks);
    if (result.applied.includes('templates')) this.#fleet.updateTemplates(config.templates);
    this.#config = {
      ...this.#config,
      templates: config.templates,
      health: { ...this.#config.health, checks: config.health.checks },
    };
    this.#options.logger.info(result, 'configuration reloaded');
    return result;
  }

  close({ stopEngines = false }: { stopEngines?: boolean } = {}): Promise<void> {
    this.#closing ??= this.#close(stopEngines);
    return this.#closing;
  }

  /** From here on a sample or an event runs through everything below in one go. */
  #wire(): void {
    this.#sampler.onSample((sample) => {
      this.#driver = sample.driver;
      this.#guard('sample', () => this.#health.handleSample(sample));
      this.#guard('heartbeats', () => this.#heartbeats.handleSample(sample));
      this.#firstSample();
    });
    this.#sampler.onEvent((event) => this.#guard('event', () => this.#health.handleEvent(event)));
    this.#sampler.onKernelLog((news) => this.#guard('kernel log', () => this.#hearKernelLog(news)));
    this.#fleet.onChange(() => this.#enginesChanged());
  }

  #hearKernelLog(news: KernelNews): void {
    switch (news.kind) {
      case 'record':
        return this.#health.handleKernelRecord(news.record);
      case 'restart':
        return this.#health.kernelLogRestarted();
      case 'event-set':
        return this.#health.eventSetBroken(news.broken);
      case 'status':
        if (news.lost > 0) this.#health.kernelRecordsLost(news.lost);
    }
  }

  /** Engines first, then one delta that holds devices and engines together. */
  #devicesChanged(devices: DeviceStatus[]): void {
    this.#guard('device status', () => this.#fleet.applyDeviceStatus(devices));
    this.#publish();
    // What waits for engines to end must not be asked before they have been told.
    this.#guard('actions', () => this.#recovery.actions.consider(devices));
    this.#kubernetes.report(devices);
  }

  /** Of the node as a whole: nothing here takes new requests until Kubernetes lifts it. */
  #kubernetesCordoned(cordoned: boolean): void {
    const sinceMs = this.#options.clock.wallMs();
    const { cordons } = this.#store;
    const reason = 'the node is cordoned in Kubernetes';
    const holder = 'kubernetes';
    const set = cordoned ? addCordon(cordons, { holder, reason, sinceMs }) : removeCordon(cordons, holder);
    this.#store.save({ cordons: set });
    this.#publish();
  }

  #enginesChanged(): void {
    this.#publish();
    for (const engine of this.#fleet.list()) {
      const { id, incarnation, deviceUuids } = engine;
      this.#noteEngine(engine);
      const before = this.#incarnations.get(id);
      this.#incarnations.set(id, incarnation);
      if (before !== undefined && before !== incarnation) this.#health.noteEngineRestarted(deviceUuids);
    }
  }

  /** What becomes of engines belongs to the story of their devices. */
  #noteEngine({ id, state, reason, deviceUuids }: EngineStatus): void {
    const before = this.#engineStates.get(id);
    this.#engineStates.set(id, state);
    if (before === undefined || before === state) return;
    const said = `engine ${id} is ${state}, was ${before}${reason ? `: ${reason}` : ''}`;
    for (const device of deviceUuids.length > 0 ? deviceUuids : [null])
      this.#history.add({ kind: 'engine', source: 'agent', device, engine: id, reason: said });
  }

  #publish(): void {
    const engines = this.#fleet.list();
    this.#work.setEngines(engines);
    this.#publisher.publish({
      driver: this.#driver,
      cordons: [...this.#store.cordons, ...this.#health.nodeCordons],
      conditions: this.#health.nodeConditions,
      devices: [...this.#health.devices],
      engines,
    });
  }

  /** One stage that fails must not keep the next from hearing the news. */
  #guard(stage: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#options.logger.error({ err: error, stage }, 'a stage of the fault path failed');
    }
  }

  async #untilFirstSample(): Promise<void> {
    const { clock, logger } = this.#options;
    const inTime = await withinLimit(clock, firstSampleTimeoutMs, this.#sampled);
    if (!inTime)
      logger.warn({ waitedMs: firstSampleTimeoutMs }, 'no sample of the GPUs yet; starting without one');
  }

  async #describeHost(): Promise<void> {
    const { clock, logger } = this.#options;
    logger.info(await readHostInventory(clock, logger), 'host');
  }

  async #close(stopEngines: boolean): Promise<void> {
    const { clock, logger } = this.#options;
    this.#notReady = 'shutting down';
    for (const service of ['', nodeServiceName]) this.#control.setServing(service, false);
    // An agent that ends in the middle of a reset leaves a driver that nobody opens: the reset has its own time limits.
    await settle(logger, 'recovery', this.#recovery.actions.close());
    await settle(logger, 'engines', this.#fleet.close({ stopEngines }));
    this.#host.close();
    this.#heartbeats.close();
    this.#health.close();
    this.#publisher.close();
    this.#work.close();
    await Promise.all([
      settle(logger, 'gRPC', this.#control.close()),
      settle(logger, 'metrics', this.#metrics.close()),
      settle(logger, 'probe', this.#probe.close()),
    ]);
    await settle(logger, 'Kubernetes', this.#kubernetes.close());
    const sampler = settle(logger, 'sampler', this.#sampler.close());
    if (!(await withinLimit(clock, samplerCloseTimeoutMs, sampler)))
      this.#sampler.destroy('it did not close in time');
    await Promise.all([this.#store.flush(), this.#journal.flush()]);
    this.#lock.release();
    logger.info({ stopEngines }, 'agent has ended');
  }
}

/** What runs CUDA beside the agent. */
function createProbes(
  { node, health: { probe } }: AgentConfig,
  { clock, logger }: RunAgentOptions,
  registry: Registry,
): { heartbeats: NodeHeartbeats; prober: DeviceProber } {
  const { library, heartbeat, intervalMs, missedAfterMs, minFreeMiB, memoryMiB, timeLimitMs } = probe;
  const minFreeBytes = minFreeMiB * 2 ** 20;
  const enabled = heartbeat === 'on';
  const shared = { library, clock, logger, metrics: new DeviceProbeMetrics(registry, node.name) };
  return {
    heartbeats: new NodeHeartbeats({ ...shared, enabled, intervalMs, missedAfterMs, minFreeBytes }),
    prober: new DeviceProber({ ...shared, memoryMiB, timeLimitMs }),
  };
}

/** An engine without an address has not been started yet. */
function scrapeTargetOf({ id, url, servedModels, origin }: EngineStatus): ScrapeTarget[] {
  if (!URL.canParse(url)) return [];
  const labels = { engine_id: id, model: servedModels[0] ?? '', origin };
  return [{ targets: [new URL(url).host], labels }];
}

/** True when the work was done within the limit; it goes on otherwise. */
function withinLimit(clock: Clock, limitMs: number, work: Promise<void>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.after(limitMs, () => resolve(false));
    void work.finally(() => {
      timer.cancel();
      resolve(true);
    });
  });
}
