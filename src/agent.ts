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
import type { AgentConfig } from './config/agent-config.js';
import { EngineNews } from './agent-engine-news.js';
import { hearKernelLog } from './agent-kernel-log.js';
import { AgentKubernetes } from './agent-kubernetes.js';
import { AgentListeners, type AgentAddresses } from './agent-listeners.js';
import { createAgentProbes } from './agent-probes.js';
import { compareAgentConfigs, type ReloadResult } from './agent-reload.js';
import type { DeviceStatus, DriverState } from './domain/device.js';
import { HostWatch } from './agent-host.js';
import type { HistoryEntry } from './domain/history.js';
import { AgentRecovery } from './agent-recovery.js';
import { createAgentParts, type AgentParts, type EngineFleetPart, type SamplerPart } from './agent-parts.js';
import type { NodeHeartbeats } from './device/node-heartbeats.js';
import { DeviceHealthTracker } from './health/device-health.js';
import { isStoredHealth, type StoredHealth } from './health/stored-health.js';
import { HealthHistory, isHistoryEntry, maxHistoryEntries } from './health/health-history.js';
import { HealthMetrics } from './health/health-metrics.js';
import { createMetricsRegistry } from './metrics/metrics-registry.js';
import { bridgesOf } from './node/pci-bridges.js';
import { readHostInventory } from './node/host-inventory.js';
import { readBootId, readMachineId } from './node/node-identity.js';
import { NodeMetrics } from './node/node-metrics.js';
import { NodeStore } from './node/node-store.js';
import { NodeStatePublisher } from './node/publish-node-state.js';
import { ReportedWork, type ReportedWorkOptions } from './node/reported-work.js';
import { StateLock } from './node/state-lock.js';
import type { Clock } from './runtime/clock.js';
import { Journal } from './runtime/journal.js';
import type { Logger } from './runtime/logger.js';
import { settle, withinLimit } from './runtime/service.js';

export interface RunAgentOptions {
  clock: Clock;
  logger: Logger;
  version: string;
  /** The sampler and the engines; replaced by tests. */
  parts?: AgentParts;
}

export interface RunningAgent {
  readonly addresses: AgentAddresses;
  /** Takes what can change while running: templates and check settings. The configuration has been validated. */
  reload(config: AgentConfig): ReloadResult;
  /** Idempotent. Engines go on without the agent unless `stopEngines`. */
  close(options?: { stopEngines?: boolean }): Promise<void>;
}

/** Faults and what became of them: two files of 8 MiB hold some 50,000 entries. */
const historyBytes = 8 * 1024 * 1024;
/** Engines name devices by index, which only a sample can resolve; without one the start goes on and says so. */
const firstSampleTimeoutMs = 10_000;
/** A driver call that hangs must not keep the agent from ending. */
const samplerCloseTimeoutMs = 3_000;

export async function runAgent(config: AgentConfig, options: RunAgentOptions): Promise<RunningAgent> {
  const bootId = readBootId();
  const lock = StateLock.take(config.stateDir, bootId);
  let agent: Agent | null = null;
  try {
    agent = new Agent(config, options, lock, bootId);
    await agent.start();
    return agent;
  } catch (error) {
    // A part that cannot be made must not leave the state directory locked.
    if (agent) await agent.close();
    else lock.release();
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
  readonly #listeners: AgentListeners;
  readonly #engineNews: EngineNews;
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

    this.#lock = lock;
    this.#store = new NodeStore({ stateDir: config.stateDir, bootId, isHealth: isStoredHealth, logger });
    const machineId = readMachineId(config.node.machineId, this.#store.machineId);
    const registry = createMetricsRegistry('agent', version);
    const base = { config, clock, logger, registry };

    const nodeMetrics = new NodeMetrics(registry);
    const onFold: ReportedWorkOptions['onFold'] = (work) => this.#publisher.publishWork(work);
    this.#work = new ReportedWork({ clock, metrics: nodeMetrics, onFold });
    const journalPath = join(config.stateDir, 'history', 'events.jsonl');
    this.#journal = new Journal({ path: journalPath, maxBytes: historyBytes });
    this.#history = new HealthHistory({ clock, onEntry: (entry) => this.#journal.append(entry) });
    this.#sampler = parts.createSampler(base);
    this.#health = new DeviceHealthTracker({
      ...{ clock, logger, bootId },
      metrics: new HealthMetrics(registry, config.node.name),
      history: this.#history,
      sampleIntervalMs: config.nvml.sampleIntervalMs,
      callDeadlineMs: config.nvml.callDeadlineMs,
      drill: config.nvml.drill,
      settings: config.health.checks,
      restored: this.#store.health,
      host: { bridgesOf, engineOf: (pid) => this.#fleet.engineOf(pid) },
      onDevices: (devices) => this.#devicesChanged(devices),
      onFault: (fault) => this.#guard('fault', () => this.#fleet.applyFault(fault)),
      onStore: (health) => this.#store.save({ health, machineId }),
    });
    const { heartbeats, prober, preflight } = createAgentProbes(base);
    this.#heartbeats = heartbeats;
    this.#fleet = parts.createFleet({
      ...base,
      bootId,
      sampler: this.#sampler,
      devices: () => this.#health.devices,
      workInFlight: (engineId) => this.#work.inFlight(engineId),
      heartbeatMissed: (uuid) => this.#heartbeats.missed(uuid),
      ...(preflight && { preflight }),
    });
    this.#engineNews = new EngineNews(this.#history, this.#health);
    this.#host = new HostWatch({
      ...{ clock, logger, health: this.#health, fleet: this.#fleet },
      latestSample: () => this.#sampler.latest?.() ?? null,
      diskPaths: [config.stateDir, ...config.health.disks],
      probes: () => prober.results,
      ...(config.kubernetes?.podResources ? { pods: () => this.#kubernetes.pods } : {}),
    });
    this.#recovery = new AgentRecovery({
      ...base,
      prober,
      podsOf: (uuid) => this.#kubernetes.pods.get(uuid) ?? [],
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
      ...base,
      fleet: this.#fleet,
      store: this.#store,
      onCordons: () => this.#publish(),
    });
    this.#listeners = new AgentListeners({
      ...base,
      nodeMetrics,
      ...{ publisher: this.#publisher, fleet: this.#fleet, health: this.#health },
      ...{ work: this.#work, recovery: this.#recovery },
      notReady: () => this.#notReady,
    });
  }

  get addresses(): AgentAddresses {
    return this.#listeners.addresses;
  }

  async start(): Promise<void> {
    const { logger } = this.#options;
    this.#wire();
    await this.#listeners.open();
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
    await this.#listeners.serve();
    this.#notReady = null;
    logger.info({ node: this.#config.node.name, ...this.addresses }, 'agent is ready');
    void readHostInventory(logger).then((host) => logger.info(host, 'host'));
  }

  reload(config: AgentConfig): ReloadResult {
    const result = compareAgentConfigs(this.#config, config);
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
    this.#sampler.onKernelLog((news) => this.#guard('kernel log', () => hearKernelLog(this.#health, news)));
    this.#fleet.onChange(() => {
      this.#publish();
      this.#engineNews.tell(this.#fleet.list());
    });
  }

  /** Engines first, then one delta that holds devices and engines together. */
  #devicesChanged(devices: DeviceStatus[]): void {
    this.#guard('device status', () => this.#fleet.applyDeviceStatus(devices));
    this.#publish();
    // What waits for engines to end must not be asked before they have been told.
    this.#guard('actions', () => this.#recovery.actions.consider(devices));
    this.#kubernetes.report(devices);
  }

  #publish(): void {
    const engines = this.#fleet.list();
    this.#work.setEngines(engines);
    this.#publisher.publish({
      driver: this.#driver,
      cordons: [...this.#store.cordons, ...this.#health.nodeCordons],
      conditions: this.#health.nodeConditions,
      unsupportedChecks: this.#health.unsupportedNodeChecks,
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

  async #close(stopEngines: boolean): Promise<void> {
    const { clock, logger } = this.#options;
    this.#notReady = 'shutting down';
    this.#listeners.stopServing();
    // An agent that ends in the middle of a reset leaves a driver that nobody opens: the reset has its own time limits.
    await settle(logger, 'recovery', this.#recovery.actions.close());
    await settle(logger, 'engines', this.#fleet.close({ stopEngines }));
    this.#host.close();
    this.#heartbeats.close();
    this.#health.close();
    this.#publisher.close();
    this.#work.close();
    await this.#listeners.close();
    await settle(logger, 'Kubernetes', this.#kubernetes.close());
    const sampler = settle(logger, 'sampler', this.#sampler.close());
    if (!(await withinLimit(clock, samplerCloseTimeoutMs, sampler)))
      this.#sampler.destroy('it did not close in time');
    await Promise.all([this.#store.flush(), this.#journal.flush()]);
    this.#lock.release();
    logger.info({ stopEngines }, 'agent has ended');
  }
}
