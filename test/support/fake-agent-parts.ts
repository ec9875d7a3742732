/** A sampler and an engine fleet without processes, typed from the real ones: for tests of the agent's own wiring. */
import type { AgentParts, EngineFleetPart, SamplerPart } from '../../src/agent-parts.js';
import type { KernelNews } from '../../src/device/sampler-news.js';
import type { DeviceEvent, DeviceStatus, DriverState, NodeSample } from '../../src/domain/device.js';
import type { EngineStatus } from '../../src/domain/engine.js';
import { InfernodeError } from '../../src/domain/error-codes.js';
import type { Fault } from '../../src/domain/health.js';

export class FakeSampler implements SamplerPart {
  emitSample: (sample: NodeSample) => void = () => undefined;
  emitEvent: (event: DeviceEvent) => void = () => undefined;
  emitKernelLog: (news: KernelNews) => void = () => undefined;
  #latest: NodeSample | null = null;
  closed = 0;

  /** `first` is given at the start; without one the agent waits for it in vain. */
  constructor(public first: NodeSample | null = null) {}

  onSample(callback: (sample: NodeSample) => void): void {
    this.emitSample = (sample) => {
      this.#latest = sample;
      callback(sample);
    };
  }
  onEvent(callback: (event: DeviceEvent) => void): void {
    this.emitEvent = callback;
  }
  onKernelLog(callback: (news: KernelNews) => void): void {
    this.emitKernelLog = callback;
  }
  async sampleNow(): Promise<NodeSample | null> {
    return this.#latest;
  }
  released = false;
  async release(): Promise<void> {
    this.released = true;
  }
  async acquire(): Promise<DriverState> {
    this.released = false;
    return this.#latest?.driver ?? { state: 'no-device', reason: 'no sample' };
  }
  async start(): Promise<void> {
    if (this.first) this.emitSample(this.first);
  }
  async close(): Promise<void> {
    this.closed += 1;
  }
  destroy(): void {}
}

/** Marks engines as evicting while one of their devices is unhealthy, as the real fleet does. */
export class FakeFleet implements EngineFleetPart {
  faults: Fault[] = [];
  closedWith: { stopEngines: boolean } | null = null;
  templates: unknown = null;
  #changed: () => void = () => undefined;

  constructor(public engines: EngineStatus[]) {}

  list(): EngineStatus[] {
    return this.engines;
  }
  engineOf(pid: number): { engineId: string; deviceUuids: readonly string[] } | null {
    const owner = this.engines.find((engine) => engine.pid === pid);
    return owner ? { engineId: owner.id, deviceUuids: owner.deviceUuids } : null;
  }
  async planEngine(): Promise<never> {
    throw new Error('the fake fleet plans nothing');
  }
  onChange(callback: () => void): void {
    this.#changed = callback;
  }
  applyDeviceStatus(devices: DeviceStatus[]): void {
    const bad = new Set(devices.filter((d) => d.health === 'unhealthy').map((d) => d.identity.uuid));
    this.change((engine) => ({ ...engine, evicting: engine.deviceUuids.some((uuid) => bad.has(uuid)) }));
  }
  change(update: (engine: EngineStatus) => EngineStatus): void {
    this.engines = this.engines.map(update);
    this.#changed();
  }
  applyFault(fault: Fault): void {
    this.faults.push(fault);
  }
  updateTemplates(templates: unknown): void {
    this.templates = templates;
  }
  async startEngine({ engineId }: { engineId: string }): Promise<EngineStatus> {
    return this.#find(engineId);
  }
  async stopEngine(engineId: string): Promise<EngineStatus> {
    return this.#find(engineId);
  }
  async drainEngine(engineId: string): Promise<EngineStatus> {
    return this.#find(engineId);
  }
  async restartEngine(engineId: string): Promise<EngineStatus> {
    return this.#find(engineId);
  }
  async sleepEngine(engineId: string): Promise<EngineStatus> {
    return this.#find(engineId);
  }
  async wakeEngine(engineId: string): Promise<EngineStatus> {
    return this.#find(engineId);
  }
  readonly archive: EngineFleetPart['archive'] = {
    explain: async () => [],
    async *tail() {},
  };
  async start(): Promise<void> {}
  async close(options: { stopEngines: boolean }): Promise<void> {
    this.closedWith = options;
  }

  #find(id: string): EngineStatus {
    const engine = this.engines.find((e) => e.id === id);
    if (!engine) throw new InfernodeError('engine-unknown', `no engine "${id}"`);
    return engine;
  }
}

export function fakeParts(sampler: FakeSampler, fleet: FakeFleet): AgentParts {
  return { createSampler: () => sampler, createFleet: () => fleet };
}
