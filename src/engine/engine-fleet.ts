/**
 * All engines of the node. Called by the agent with what devices and operators want; says at once what became of it. Owns
 * the rule that a device belongs to one engine, and what the state of a device does to the engines on it.
 */
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { AgentConfig, SupervisedEngineConfig, TemplateConfig } from '../config/agent-config.js';
import { addCordon, removeCordon, type Cordon } from '../domain/cordon.js';
import type { DeviceStatus } from '../domain/device.js';
import type { EngineStatus } from '../domain/engine.js';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import type { Fault } from '../domain/health.js';
import { sleep, type Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { Service } from '../runtime/service.js';
import { adoptEngine } from './adopt-engines.js';
import { AttachedEngine } from './attached-engine.js';
import { DeviceClaims, type Engine } from './device-claims.js';
import { defaultEngineSettings, type EngineContext, type EngineSettings } from './engine-context.js';
import type { EngineMetrics } from './engine-metrics.js';
import {
  engineAttached,
  engineIdInvalid,
  engineUnknown,
  requireTemplate,
  templateUnknown,
} from './engine-errors.js';
import { EngineStore, type EngineRecord } from './engine-record.js';
import type { EngineRun } from './engine-run.js';
import { EngineRoster, type EngineListener } from './engine-roster.js';
import { EngineSupervisor } from './engine-supervisor.js';
import { holdOf } from './hold-engine.js';
import { PortReservation } from './port-reservation.js';
import { readBootId } from '../runtime/process-identity.js';
import { emptyRecord, recordOf, unknownTemplate } from './restore-record.js';
import type { DevicesReleased } from './stop-engine.js';

export interface EngineFleetOptions {
  nodeName: string;
  templates: AgentConfig['templates'];
  engines: AgentConfig['engines'];
  stateDir: string;
  clock: Clock;
  logger: Logger;
  metrics: EngineMetrics;
  /** Path of infernode-keeper. */
  keeperPath: string;
  /** UUID of a device by UUID or index, `null` when the node does not know it. */
  resolveDevice: (ref: string) => string | null;
  /** UUIDs that may be given to new work: healthy and without cordon. */
  freeDevices: () => readonly string[];
  /** Does the driver show no memory of these processes on these devices? Asked repeatedly. */
  devicesReleased: DevicesReleased;
  bootId?: string;
  settings?: Partial<EngineSettings>;
}

export interface StartEngineRequest {
  engineId: string;
  /** Empty or absent: the engine's own. */
  template?: string;
  /** UUIDs or indices; empty or absent: the engine's own, else free ones. */
  devices?: readonly string[];
}

/** Adoption waits for the first look at each engine, but a hung one must not hold up the others' news. */
const firstLookMs = 1000;
/** Engines started through the API beside those of the configuration. */
const maxDynamicEngines = 64;
const idPattern = /^\w[\w.-]{0,127}$/;

export class EngineFleet implements Service {
  readonly #options: EngineFleetOptions;
  readonly #context: EngineContext;
  readonly #claims: DeviceClaims;
  readonly #bootId: string;
  readonly #stateDir: string;
  readonly #roster: EngineRoster;
  /** Why an engine may not start although it is down. */
  readonly #unjudged = new Map<string, string>();
  #templates: AgentConfig['templates'];
  #started = false;
  #closed = false;

  constructor(options: EngineFleetOptions) {
    const { clock, logger, metrics, keeperPath, devicesReleased, settings } = options;
    this.#options = options;
    this.#templates = options.templates;
    this.#roster = new EngineRoster(metrics, logger);
    this.#claims = new DeviceClaims(options, () => this.#roster.all);
    this.#bootId = options.bootId ?? readBootId();
    this.#stateDir = resolve(options.stateDir);
    this.#context = {
      clock,
      logger,
      metrics,
      keeperPath,
      devicesReleased,
      ports: new PortReservation(),
      settings: { ...defaultEngineSettings, ...settings },
    };
  }

  /** Empty before `start()`. */
  list(): EngineStatus[] {
    return this.#roster.all.map((engine) => engine.status);
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
    const looks = attached.map((config) => {
      const { clock } = this.#options;
      const deviceUuids = this.#claims.resolveAll(config.devices.map(String));
      const engine = new AttachedEngine({
        config,
        deviceUuids,
        clock,
        onChange: (s) => this.#roster.changed(s),
      });
      return this.#roster.add(engine).start();
    });
    const known = new Set(configured.map(({ id }) => id));
    await Promise.all([
      this.#within(Promise.all(looks)),
      ...supervised.map((config) => this.#restore(config.id, config)),
      ...this.#idsOnDisk()
        .filter((id) => !known.has(id))
        .map((id) => this.#restore(id, null)),
    ]);
    this.#started = true;
    this.applyDeviceStatus([...this.#claims.devices]);
  }

  /** Leaves engines running unless told otherwise. Idempotent. */
  async close(options: { stopEngines?: boolean } = {}): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
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
    const engine = this.#find(engineId);
    if (engine instanceof AttachedEngine) throw engineAttached(engineId, 'stopped');
    engine.stop();
    return engine.status;
  }

  /** `null`: the template's deadline. An attached engine only stops getting new work. */
  async drainEngine(engineId: string, deadlineMs: number | null = null): Promise<EngineStatus> {
    const engine = this.#find(engineId);
    if (engine instanceof AttachedEngine) engine.setDrained(true);
    else engine.drain(deadlineMs);
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
    for (const engine of this.#roster.all) {
      if (engine instanceof AttachedEngine) engine.updateDevices(this.#claims.resolveAll(engine.refs));
      engine.setHold(holdOf(this.#claims.devicesOf(engine), engine.hold));
    }
    for (const engine of this.#roster.supervised) engine.reconcile();
  }

  /** A fault that wants a new process gets one: of the engine it names by pid, else of all on the device. */
  applyFault({ drain, deviceUuid, pid, reason, observedAtMs }: Fault): void {
    if (drain !== 'restart-engine' || deviceUuid === null) return;
    const onDevice = this.#roster.supervised.filter((engine) => engine.run?.deviceUuids.includes(deviceUuid));
    const named = pid === null ? [] : onDevice.filter((engine) => engine.run?.pids.has(pid));
    for (const engine of named.length > 0 ? named : onDevice)
      // News of an incident that the present process has not seen are about its predecessor.
      if (engine.run && engine.run.startedAtMs <= observedAtMs) engine.restart(reason);
  }

  /** Holds from the next start on. A template that is gone stays what it was for engines that use it. */
  updateTemplates(templates: AgentConfig['templates']): void {
    this.#templates = { ...this.#templates, ...templates };
  }

  // Engines.

  async #restore(id: string, config: SupervisedEngineConfig | null): Promise<void> {
    const { logger, metrics } = this.#options;
    const store = new EngineStore(this.#stateDir, id, this.#bootId, logger);
    const stored = store.read(metrics);
    const record = config ? recordOf(config, stored) : stored;
    // Without a configuration and without a usable record nobody knows what it was; its processes are still ended.
    const usable = record ?? { ...emptyRecord('', []), dynamic: true };
    let run: EngineRun | null = null;
    let unjudged: unknown = null;
    try {
      run = await adoptEngine(this.#context, store, usable, id);
    } catch (error) {
      unjudged = error;
    }
    if (!config) {
      // What is neither configured nor startable any more is only taken over to be ended in order.
      if (!usable.dynamic || !this.#templates[usable.template]) usable.wanted = 'stopped';
      usable.dynamic = true;
      if (!run && usable.wanted === 'stopped') return;
    }
    const engine = this.#roster.add(this.#supervise(id, store, usable));
    if (unjudged !== null) this.#judgeLater(engine, store, messageOf(unjudged));
    if (!run) return;
    metrics.adopted();
    await this.#within(engine.adopt(run));
  }

  /** While nobody can say what became of the run before, a second one beside it would be the greater harm. */
  #judgeLater(engine: EngineSupervisor, store: EngineStore, reason: string): void {
    const { clock, logger, settings } = this.#context;
    logger.error({ engine: engine.id, reason }, 'the run before could not be judged; the engine stays down');
    this.#unjudged.set(engine.id, reason);
    clock.after(settings.stuckRecheckMs, () => {
      if (this.#closed) return;
      adoptEngine(this.#context, store, engine.record, engine.id).then(
        (run) => {
          this.#unjudged.delete(engine.id);
          if (run) void engine.adopt(run);
          else engine.reconcile();
        },
        (error: unknown) => this.#judgeLater(engine, store, messageOf(error)),
      );
    });
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
        const blocked = this.#unjudged.get(id);
        if (blocked !== undefined) return { blocked, code: 'engine-wrong-state' };
        return this.#claims.choose(id, record.devices, template().gpus);
      },
      onChange: (status) => this.#roster.changed(status),
    });
  }

  #create(id: string, template: string): EngineSupervisor {
    if (template === '') throw engineUnknown(id);
    if (!this.#templates[template]) throw templateUnknown(template, Object.keys(this.#templates));
    if (!idPattern.test(id)) throw engineIdInvalid(id);
    if (this.#roster.supervised.filter(({ record }) => record.dynamic).length >= maxDynamicEngines)
      throw new InfernodeError(
        'queue-full',
        `expected at most ${maxDynamicEngines} engines beside the configured ones`,
      );
    const store = new EngineStore(this.#stateDir, id, this.#bootId, this.#options.logger);
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

  #find(id: string): Engine {
    const engine = this.#roster.get(id);
    if (!engine) throw engineUnknown(id);
    return engine;
  }

  #updateCordons(id: string, change: (set: readonly Cordon[]) => Cordon[]): EngineStatus {
    const engine = this.#find(id);
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

  // Small parts.

  #idsOnDisk(): string[] {
    try {
      return readdirSync(join(this.#stateDir, 'engines')).filter((id) => idPattern.test(id));
    } catch {
      return [];
    }
  }

  async #within(work: Promise<unknown>): Promise<void> {
    await Promise.race([work, sleep(this.#options.clock, firstLookMs)]);
  }
}
