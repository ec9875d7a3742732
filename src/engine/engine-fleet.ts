/**
 * All engines of the node. Called by the agent with what devices and operators want; says at once what became of it. Owns
 * the rule that a device belongs to one engine, and what the state of a device does to the engines on it.
 */
import { resolve } from 'node:path';
import type { AgentConfig, TemplateConfig } from '../config/agent-config.js';
import { addCordon, removeCordon, type Cordon } from '../domain/cordon.js';
import type { DeviceStatus } from '../domain/device.js';
import type { EngineStatus } from '../domain/engine.js';
import type { NodePlan, PlanWish } from '../domain/engine-plan.js';
import { InfernodeError } from '../domain/error-codes.js';
import type { Fault } from '../domain/health.js';
import { sleep } from '../runtime/clock.js';
import type { Service } from '../runtime/service.js';
import { AttachedEngine } from './attached-engine.js';
import { AttachedEngines } from './attached-engines.js';
import { batchSizesFile, readBatchSizes } from './batch-sizes.js';
import { CompileCaches } from './compile-caches.js';
import { EngineArchive } from './engine-archive.js';
import { DeviceClaims } from './device-claims.js';
import { learnPrograms } from './engine-adapters.js';
import { defaultEngineSettings, type EngineContext } from './engine-context.js';
import { noInputs } from './engine-inputs.js';
import {
  engineAttached,
  engineIdInvalid,
  engineUnknown,
  requireTemplate,
  templateUnknown,
} from './engine-errors.js';
import type { EngineRecord, EngineStore } from './engine-record.js';
import { enginesOfFault } from './engines-of-fault.js';
import { EngineRoster, type EngineListener } from './engine-roster.js';
import { EngineSupervisor } from './engine-supervisor.js';
import { holdOf } from './hold-engine.js';
import { planForNode } from './plan/plan-for-node.js';
import { PoisonBook } from './poison-book.js';
import { ProfilingTurns } from './profiling-turns.js';
import { PortReservation } from './port-reservation.js';
import { RecentFaults } from './recent-faults.js';
import { readBootId } from '../runtime/process-identity.js';
import { EngineRestorer, engineIdPattern, firstLookMs } from './restore-engines.js';
import { emptyRecord, unknownTemplate } from './restore-record.js';
import { SharedMemoryNews } from './shared-memory-news.js';
import { installedVllm } from './vllm-program.js';
import { StandbyRule } from './standby.js';
import type { EngineFleetOptions, StartEngineRequest } from './engine-fleet-options.js';

/** Engines started through the API beside those of the configuration. */
const maxDynamicEngines = 64;

export class EngineFleet implements Service {
  readonly #options: EngineFleetOptions;
  readonly #context: EngineContext;
  readonly #claims: DeviceClaims;
  readonly #restorer: EngineRestorer;
  readonly #standby: StandbyRule;
  /** Deaths and logs. */
  readonly archive: EngineArchive;
  readonly attached: AttachedEngines;
  readonly #roster: EngineRoster;
  #templates: AgentConfig['templates'];
  #started = false;
  #closed = false;

  constructor(options: EngineFleetOptions) {
    const { clock, logger, metrics, keeperPath, devicesReleased, settings } = options;
    this.#options = options;
    this.#templates = options.templates;
    this.#roster = new EngineRoster(metrics, logger);
    this.#claims = new DeviceClaims(options, () => this.#roster.all);
    this.#context = {
      ...{ clock, logger, metrics, keeperPath, devicesReleased },
      ports: new PortReservation(),
      faults: new RecentFaults(),
      poison: new PoisonBook(),
      turns: new ProfilingTurns(),
      caches: new CompileCaches(resolve(options.stateDir)),
      sharedMemory: new SharedMemoryNews(clock, logger),
      inputs: {
        ...noInputs,
        ...options.inputs,
        reading: (uuid) => this.#claims.readingOf(uuid),
        deviceName: (uuid) => this.#claims.nameOf(uuid),
      },
      settings: { ...defaultEngineSettings, ...settings },
    };
    this.attached = new AttachedEngines(this.#roster, this.#claims, this.#context);
    this.#restorer = new EngineRestorer({
      context: this.#context,
      stateDir: resolve(options.stateDir),
      bootId: options.bootId ?? readBootId(),
      hasTemplate: (name) => this.#templates[name] !== undefined,
      supervise: (id, store, record) => this.#roster.add(this.#supervise(id, store, record)),
    });
    this.#standby = new StandbyRule({
      members: () => this.#roster.supervised,
      clock,
      returnMs: this.#context.settings.standbyReturnMs,
      onPromoted: (id, promoted) => {
        logger.warn({ engine: id, promoted }, promoted ? 'standby takes over' : 'standby goes back to rest');
        if (promoted) metrics.promoted(id);
      },
    });
    this.#roster.listen(() => this.#started && !this.#closed && this.#standby.apply());
    this.archive = new EngineArchive(
      (id) => this.#restorer.storeOf(id),
      () => [...new Set([...this.#roster.ids, ...this.#restorer.idsOnDisk()])],
      clock,
    );
  }

  /** Empty before `start()`. */
  list(): EngineStatus[] {
    return this.#roster.all.map((engine) => engine.status);
  }

  /** The supervised engine whose present run has or had the process, `null` for anybody else's. */
  engineOf(pid: number): { engineId: string; deviceUuids: readonly string[] } | null {
    const owner = this.#roster.supervised.find(({ run }) => run?.pids.has(pid));
    return owner?.run ? { engineId: owner.id, deviceUuids: owner.run.deviceUuids } : null;
  }

  /** How long the engine has had work without making a step; `null`: not known. */
  stillForMs(engineId: string): number | null {
    return this.#roster.supervised.find(({ id }) => id === engineId)?.stillForMs ?? null;
  }

  /** Called in the turn of the event loop in which something changed. */
  onChange(listener: EngineListener): void {
    this.#roster.listen(listener);
  }

  /** Takes over what still runs, then starts the rest. Resolves when every running engine has been looked at once. */
  async start(): Promise<void> {
    const configured = this.#options.engines;
    const attached = configured.filter((engine) => engine.origin === 'attached');
    const supervised = configured.filter((engine) => engine.origin === 'supervised');
    const looks = attached.map((config) =>
      this.attached.attach(config, this.#claims.resolveAll(config.devices.map(String))).start(),
    );
    const known = new Set(configured.map(({ id }) => id));
    await Promise.all([
      Promise.race([Promise.all(looks), sleep(this.#options.clock, firstLookMs)]),
      ...supervised.map((config) => this.#restorer.restore(config.id, config)),
      ...this.#restorer
        .idsOnDisk()
        .filter((id) => !known.has(id))
        .map((id) => this.#restorer.restore(id, null)),
    ]);
    learnPrograms(this.#roster.supervised.map(({ record }) => this.#templates[record.template]));
    this.#started = true;
    this.attached.begin();
    this.applyDeviceStatus([...this.#claims.devices]);
    this.#standby.apply();
  }

  /** Leaves engines running unless told otherwise. Idempotent. */
  async close(options: { stopEngines?: boolean } = {}): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#restorer.close();
    this.#standby.close();
    this.attached.end();
    if (options.stopEngines) await this.stopAll();
    await Promise.all(this.#roster.all.map(async (engine) => engine.close()));
  }

  /** Lets go at once; engines go on. */
  destroy(reason: string): void {
    this.#context.logger.warn({ reason }, 'engine supervision is given up');
    void this.close();
  }

  /** Ends every supervised engine and proves it; what is wanted of them after the next start stays as it is. */
  async stopAll(): Promise<void> {
    await Promise.all(this.#roster.supervised.map((engine) => engine.shutDown()));
  }

  /**
   * Starts an engine of the configuration, or with a template a new one. Throws `template-unknown`, `engine-unknown`,
   * `engine-wrong-state`, `engine-attached`, `device-unknown`, `device-in-use`, `argument-invalid`.
   */
  async startEngine({ engineId, template = '', devices = [] }: StartEngineRequest): Promise<EngineStatus> {
    const existing = this.#roster.get(engineId);
    if (existing instanceof AttachedEngine) return this.#undrain(existing);
    const engine = existing ?? this.#create(engineId, template);
    const { devices: before } = engine.record;
    try {
      requireTemplate(engineId, engine.record.template, template);
      if (!engine.run) this.#giveDevices(engine, devices);
      engine.start();
    } catch (error) {
      engine.record.devices = before;
      if (!existing) this.#roster.remove(engine);
      throw error;
    }
    return engine.status;
  }

  /** Throws `engine-unknown`, `engine-attached`. Answers when the stop has begun; `onChange` tells of its end. */
  async stopEngine(engineId: string): Promise<EngineStatus> {
    const engine = this.#supervised(engineId, 'stopped');
    engine.stop();
    return engine.status;
  }

  /** `null`: the template's deadline. An attached engine only stops getting new work. */
  async drainEngine(engineId: string, deadlineMs: number | null = null): Promise<EngineStatus> {
    const engine = this.#roster.find(engineId);
    if (engine instanceof AttachedEngine) engine.setDrained(true);
    else engine.drain(deadlineMs);
    return engine.status;
  }

  /** For the node's own devices and the vllm on the agent's PATH. Throws `argument-invalid`, `engine-unknown`. */
  async planEngine(wish: PlanWish): Promise<NodePlan> {
    const id = wish.engineId === '' ? null : this.#roster.find(wish.engineId).id;
    const seen = id === null ? null : readBatchSizes(batchSizesFile(this.#restorer.storeOf(id).directory));
    const { inputs, clock } = this.#context;
    const program = await installedVllm(clock);
    return planForNode({ program, inputs, devices: this.#claims.devices, batchSizeCounts: seen }, wish);
  }

  /** Drains by the deadline (`null`: the template's), ends and starts it again. Earlier failures are forgiven. */
  async restartEngine(engineId: string, deadlineMs: number | null = null): Promise<EngineStatus> {
    const engine = this.#supervised(engineId, 'restarted');
    if (engine.run) engine.restartInOrder(deadlineMs);
    else engine.start();
    return engine.status;
  }

  /** `null`: the template's level. Throws `engine-wrong-state` unless it is ready and may sleep. */
  async sleepEngine(engineId: string, level: 1 | 2 | null = null): Promise<EngineStatus> {
    const engine = this.#supervised(engineId, 'put to sleep');
    engine.rest.sleep(level);
    return engine.status;
  }

  /** Answers when the waking has begun. Throws `engine-wrong-state` unless it is asleep. */
  async wakeEngine(engineId: string): Promise<EngineStatus> {
    const engine = this.#supervised(engineId, 'woken');
    engine.rest.wake();
    return engine.status;
  }

  cordonEngine(engineId: string, holder: string, reason: string): EngineStatus {
    const sinceMs = this.#options.clock.wallMs();
    return this.#updateCordons(engineId, (set) => addCordon(set, { holder, reason, sinceMs }));
  }

  uncordonEngine(engineId: string, holder: string): EngineStatus {
    return this.#updateCordons(engineId, (set) => removeCordon(set, holder));
  }

  /** Synchronous: what a bad device does to its engines shows before this returns. */
  applyDeviceStatus(devices: DeviceStatus[]): void {
    this.#claims.devices = devices;
    if (!this.#started || this.#closed) return;
    this.#claims.warnOfContests(this.#context.logger);
    for (const engine of this.#roster.all) {
      if (engine instanceof AttachedEngine) engine.updateDevices(this.#claims.resolveAll(engine.refs));
      engine.setHold(holdOf(this.#claims.devicesOf(engine), engine.hold));
    }
    for (const engine of this.#roster.supervised) engine.reconcile();
  }

  /** A fault that wants a new process gets one; not for a stranger's. */
  applyFault(fault: Fault): void {
    const { pid, deviceUuid: device, reason } = fault;
    this.#context.faults.note(fault);
    const found = enginesOfFault(fault, this.#roster.supervised, this.#options.seesHostPids === true);
    if (found === 'stranger')
      this.#context.logger.warn({ pid, device, reason }, 'a process that is no engine had a fault on it');
    else for (const engine of found) engine.restart(reason);
  }

  /** Holds from the next start on. A template that is gone stays what it was for engines that use it. */
  updateTemplates(templates: AgentConfig['templates']): void {
    this.#templates = { ...this.#templates, ...templates };
  }

  #supervise(id: string, store: EngineStore, record: EngineRecord): EngineSupervisor {
    let last: TemplateConfig = this.#templates[record.template] ?? unknownTemplate(record.template);
    const template = (): TemplateConfig => (last = this.#templates[record.template] ?? last);
    return new EngineSupervisor({
      id,
      context: this.#context,
      store,
      record,
      template,
      chooseDevices: () => {
        const blocked = this.#restorer.blocked(id);
        if (blocked !== undefined) return { blocked, code: 'engine-wrong-state' };
        return this.#claims.choose(id, record.devices, template().gpus);
      },
      onChange: (status) => this.#roster.changed(status),
    });
  }

  #create(id: string, template: string): EngineSupervisor {
    if (template === '') throw engineUnknown(id, this.#roster.ids);
    if (!this.#templates[template]) throw templateUnknown(template, Object.keys(this.#templates));
    if (!engineIdPattern.test(id)) throw engineIdInvalid(id);
    if (this.#roster.supervised.filter(({ record }) => record.dynamic).length >= maxDynamicEngines)
      throw new InfernodeError(
        'queue-full',
        `expected at most ${maxDynamicEngines} engines beside the configured ones`,
      );
    const store = this.#restorer.storeOf(id);
    const before = store.read(this.#options.metrics);
    const record = { ...emptyRecord(template, []), dynamic: true };
    record.incarnation = Math.max(before?.incarnation ?? 0, store.runs()[0] ?? 0);
    return this.#roster.add(this.#supervise(id, store, record));
  }

  #undrain(engine: AttachedEngine): EngineStatus {
    if (engine.status.state !== 'draining') throw engineAttached(engine.id, 'started');
    engine.setDrained(false);
    return engine.status;
  }

  #supervised(id: string, what: string): EngineSupervisor {
    const engine = this.#roster.find(id);
    if (engine instanceof AttachedEngine) throw engineAttached(id, what);
    return engine;
  }

  #updateCordons(id: string, change: (set: readonly Cordon[]) => Cordon[]): EngineStatus {
    const engine = this.#roster.find(id);
    engine.updateCordons(change(engine.status.cordons));
    return engine.status;
  }

  /** Checked here, so that the caller hears why not instead of finding a stopped engine. */
  #giveDevices({ id, record }: EngineSupervisor, devices: readonly string[]): void {
    const refs = devices.length > 0 ? [...devices] : record.devices;
    const choice = this.#claims.choose(id, refs, this.#templates[record.template]?.gpus ?? 0);
    if ('code' in choice)
      throw new InfernodeError(choice.code, `engine "${id}" cannot start: ${choice.blocked}`);
    record.devices = refs;
  }
}
