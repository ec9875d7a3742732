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
import { chooseDevices, type DeviceChoice } from './choose-devices.js';
import { defaultEngineSettings, type EngineContext, type EngineSettings } from './engine-context.js';
import type { EngineMetrics } from './engine-metrics.js';
import { EngineStore, type EngineRecord } from './engine-record.js';
import { EngineSupervisor } from './engine-supervisor.js';
import { holdOf } from './hold-engine.js';
import { PortReservation } from './port-reservation.js';
import { readBootId } from './process-identity.js';
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

export type EngineChange = EngineStatus | { removed: string };

export interface StartEngineRequest {
  engineId: string;
  /** Empty or absent: the engine's own. */
  template?: string;
  /** UUIDs or indices; empty or absent: the engine's own, else free ones. */
  devices?: readonly string[];
}

type Engine = EngineSupervisor | AttachedEngine;

/** Adoption waits for the first look at each engine, but a hung one must not hold up the others' news. */
const firstLookMs = 1000;
/** Engines started through the API beside those of the configuration. */
const maxDynamicEngines = 64;
const idPattern = /^\w[\w.-]{0,127}$/;

export class EngineFleet implements Service {
  readonly #options: EngineFleetOptions;
  readonly #context: EngineContext;
  readonly #bootId: string;
  readonly #stateDir: string;
  readonly #engines = new Map<string, Engine>();
  readonly #listeners = new Set<(change: EngineChange) => void>();
  #templates: AgentConfig['templates'];
  #devices: readonly DeviceStatus[] = [];
  #started = false;
  #closed = false;

  constructor(options: EngineFleetOptions) {
    const { clock, logger, metrics, keeperPath, devicesReleased, settings } = options;
    this.#options = options;
    this.#templates = options.templates;
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
    return [...this.#engines.values()].map((engine) => engine.status);
  }

  /** Called in the turn of the event loop in which something changed. */
  onChange(listener: (change: EngineChange) => void): void {
    this.#listeners.add(listener);
  }

  /** Takes over what still runs, then starts the rest. Resolves when every running engine has been looked at once. */
  async start(): Promise<void> {
    const configured = this.#options.engines;
    const attached = configured.filter((engine) => engine.origin === 'attached');
    const supervised = configured.filter((engine) => engine.origin === 'supervised');
    const looks = attached.map((config) => {
      const { clock } = this.#options;
      const deviceUuids = this.#resolveAll(config.devices.map(String));
      const engine = new AttachedEngine({ config, deviceUuids, clock, onChange: (s) => this.#changed(s) });
      return this.#add(engine).start();
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
    this.applyDeviceStatus([...this.#devices]);
  }

  /** Leaves engines running unless told otherwise. Idempotent. */
  async close(options: { stopEngines?: boolean } = {}): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (options.stopEngines) await this.stopAll();
    await Promise.all([...this.#engines.values()].map(async (engine) => engine.close()));
  }

  /** Lets go at once; engines go on. */
  destroy(reason: string): void {
    this.#context.logger.warn({ reason }, 'engine supervision is given up');
    void this.close();
  }

  /** Ends every supervised engine and proves it; what is wanted of them after the next start stays as it is. */
  async stopAll(): Promise<void> {
    await Promise.all(this.#supervisors().map((engine) => engine.shutDown()));
  }

  /**
   * Starts an engine of the configuration, or with a template a new one. Throws `template-unknown`, `engine-unknown`,
   * `engine-wrong-state`, `engine-attached`, `device-unknown`, `device-in-use`, `argument-invalid`.
   */
  async startEngine({ engineId, template = '', devices = [] }: StartEngineRequest): Promise<EngineStatus> {
    const existing = this.#engines.get(engineId);
    if (existing instanceof AttachedEngine) return this.#undrain(existing);
    const engine = existing ?? this.#create(engineId, template);
    try {
      if (existing) this.#changePlan(existing, template);
      const { refs, owner } = {
        refs: devices.length > 0 ? [...devices] : engine.record.devices,
        owner: engine,
      };
      if (!engine.run) this.#requireDevices(owner, refs);
      const before = engine.record.devices;
      engine.record.devices = refs;
      try {
        engine.start();
      } catch (error) {
        engine.record.devices = before;
        throw error;
      }
    } catch (error) {
      if (!existing) this.#remove(engine);
      throw error;
    }
    return engine.status;
  }

  /** Throws `engine-unknown`, `engine-attached`. Answers when the stop has begun; `onChange` tells of its end. */
  async stopEngine(engineId: string): Promise<EngineStatus> {
    const engine = this.#find(engineId);
    if (engine instanceof AttachedEngine) throw attachedError(engineId, 'stopped');
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
    this.#devices = devices;
    if (!this.#started || this.#closed) return;
    for (const engine of this.#engines.values()) {
      if (engine instanceof AttachedEngine) engine.updateDevices(this.#resolveAll(engine.refs));
      engine.setHold(holdOf(this.#devicesOf(engine), engine.hold));
    }
    for (const engine of this.#supervisors()) engine.reconcile();
  }

  /** A fault that wants a new process gets one: of the engine it names by pid, else of all on the device. */
  applyFault({ drain, deviceUuid, pid, reason, observedAtMs }: Fault): void {
    if (drain !== 'restart-engine' || deviceUuid === null) return;
    const onDevice = this.#supervisors().filter((engine) => engine.run?.deviceUuids.includes(deviceUuid));
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
    const run = await adoptEngine(this.#context, store, usable, id).catch((error: unknown) => {
      logger.error({ engine: id, err: error }, 'the run of the engine before could not be judged');
      return null;
    });
    if (!config) {
      // What is neither configured nor startable any more is only taken over to be ended in order.
      if (!usable.dynamic || !this.#templates[usable.template]) usable.wanted = 'stopped';
      usable.dynamic = true;
      if (!run && usable.wanted === 'stopped') return;
    }
    const engine = this.#add(this.#supervise(id, store, usable));
    if (!run) return;
    metrics.adopted();
    await this.#within(engine.adopt(run));
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
      chooseDevices: () => this.#chooseFor(id, record.devices, template().gpus),
      onChange: (status) => this.#changed(status),
    });
  }

  #create(id: string, template: string): EngineSupervisor {
    if (template === '') throw unknownEngine(id);
    if (!this.#templates[template])
      throw new InfernodeError(
        'template-unknown',
        `expected a template of this node (${Object.keys(this.#templates).join(', ') || 'none'}), got "${template.slice(0, 80)}"`,
      );
    if (!idPattern.test(id))
      throw new InfernodeError(
        'argument-invalid',
        `expected an engine id of letters, digits, dot, dash or underscore, got "${id.slice(0, 80)}"`,
      );
    if (this.#supervisors().filter(({ record }) => record.dynamic).length >= maxDynamicEngines)
      throw new InfernodeError(
        'queue-full',
        `expected at most ${maxDynamicEngines} engines beside the configured ones`,
      );
    const store = new EngineStore(this.#stateDir, id, this.#bootId, this.#options.logger);
    const before = store.read(this.#options.metrics);
    const record = { ...emptyRecord(template, []), dynamic: true };
    record.incarnation = Math.max(before?.incarnation ?? 0, store.runs()[0] ?? 0);
    return this.#add(this.#supervise(id, store, record));
  }

  /** A configured engine has its template from the configuration; one made through the API may change it while down. */
  #changePlan(engine: EngineSupervisor, template: string): void {
    if (template === '' || template === engine.record.template) return;
    throw new InfernodeError(
      'engine-exists',
      `engine "${engine.id}" exists with template "${engine.record.template}"; choose another id for "${template.slice(0, 80)}"`,
    );
  }

  #undrain(engine: AttachedEngine): EngineStatus {
    if (engine.status.state !== 'draining') throw attachedError(engine.id, 'started');
    engine.setDrained(false);
    return engine.status;
  }

  #add<T extends Engine>(engine: T): T {
    this.#engines.set(engine.id, engine);
    this.#announce(engine.status);
    return engine;
  }

  #remove(engine: Engine): void {
    this.#engines.delete(engine.id);
    void engine.close();
    this.#options.metrics.remove(engine.id);
    this.#emit({ removed: engine.id });
  }

  #find(id: string): Engine {
    const engine = this.#engines.get(id);
    if (!engine) throw unknownEngine(id);
    return engine;
  }

  #supervisors(): EngineSupervisor[] {
    return [...this.#engines.values()].filter((engine) => engine instanceof EngineSupervisor);
  }

  #updateCordons(id: string, change: (set: readonly Cordon[]) => Cordon[]): EngineStatus {
    const engine = this.#find(id);
    engine.updateCordons(change(engine.status.cordons));
    return engine.status;
  }

  // Devices.

  #requireDevices(engine: EngineSupervisor, refs: string[]): void {
    const gpus = this.#templates[engine.record.template]?.gpus ?? 0;
    const choice = this.#chooseFor(engine.id, refs, gpus);
    if ('code' in choice)
      throw new InfernodeError(choice.code, `engine "${engine.id}" cannot start: ${choice.blocked}`);
  }

  #chooseFor(id: string, refs: readonly string[], gpus: number): DeviceChoice {
    return chooseDevices({
      refs,
      gpus,
      resolve: (ref) => this.#options.resolveDevice(ref),
      free: () => this.#options.freeDevices(),
      ownerOf: (uuid) => this.#ownerOf(uuid, id),
      statusOf: (uuid) => this.#devices.find((device) => device.identity.uuid === uuid),
    });
  }

  /** Who else has the device now, or is configured for it. */
  #ownerOf(uuid: string, besides: string): string | null {
    for (const engine of this.#engines.values()) {
      if (engine.id === besides) continue;
      const { state, deviceUuids } = engine.status;
      const has = state !== 'stopped' && deviceUuids.includes(uuid);
      if (
        has ||
        (engine instanceof EngineSupervisor && this.#resolveAll(engine.record.devices).includes(uuid))
      )
        return engine.id;
    }
    return null;
  }

  /** A stopped engine is judged by the devices that it would get. */
  #devicesOf(engine: Engine): DeviceStatus[] {
    const run = engine instanceof EngineSupervisor ? engine.run?.deviceUuids : engine.status.deviceUuids;
    const named = engine instanceof EngineSupervisor ? this.#resolveAll(engine.record.devices) : [];
    const uuids = run ?? (named.length > 0 ? named : engine.status.deviceUuids);
    return this.#devices.filter((device) => uuids.includes(device.identity.uuid));
  }

  #resolveAll(refs: readonly string[]): string[] {
    return refs.map((ref) => this.#options.resolveDevice(ref)).filter((uuid) => uuid !== null);
  }

  // Small parts.

  #announce(status: EngineStatus): void {
    this.#options.metrics.show(status);
    this.#emit(status);
  }

  #changed(status: EngineStatus): void {
    this.#announce(status);
    const engine = this.#engines.get(status.id);
    if (engine instanceof EngineSupervisor && isDone(engine)) this.#remove(engine);
  }

  #emit(change: EngineChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#context.logger.error({ reason: messageOf(error) }, 'a listener of engine changes failed');
      }
    }
  }

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

/** Made through the API, stopped on request, nothing left: it leaves the list. */
function isDone({ record, run, status }: EngineSupervisor): boolean {
  return (
    record.dynamic &&
    record.wanted === 'stopped' &&
    !run &&
    status.state === 'stopped' &&
    record.incarnation > 0
  );
}

function recordOf(config: SupervisedEngineConfig, stored: EngineRecord | null): EngineRecord {
  const devices = config.devices.map(String);
  const wanted = config.autostart ? 'running' : 'stopped';
  const fresh: EngineRecord = { ...emptyRecord(config.template, devices), wanted };
  if (!stored) return fresh;
  // What was wanted of an engine outside the configuration says nothing about the one that is in it now.
  return {
    ...stored,
    template: config.template,
    devices,
    dynamic: false,
    wanted: stored.dynamic ? wanted : stored.wanted,
  };
}

function emptyRecord(template: string, devices: string[]): EngineRecord {
  return {
    template,
    devices,
    dynamic: false,
    wanted: 'running',
    incarnation: 0,
    restarts: 0,
    cordons: [],
    run: null,
  };
}

/** For an engine that outlived its configuration and is only to be ended. */
function unknownTemplate(name: string): TemplateConfig {
  return {
    adapter: 'vllm',
    model: name,
    servedModelNames: [],
    command: ['vllm'],
    args: [],
    env: {},
    gpus: 0,
    maxConcurrentRequests: 1,
    startTimeoutMs: 60_000,
    drainTimeoutMs: 0,
    stopGraceMs: 20_000,
  };
}

function unknownEngine(id: string): InfernodeError {
  return new InfernodeError('engine-unknown', `expected an engine of this node, got "${id.slice(0, 80)}"`);
}

function attachedError(id: string, what: string): InfernodeError {
  return new InfernodeError(
    'engine-attached',
    `engine "${id}" is attached: it is run by somebody else and cannot be ${what} from here`,
  );
}
