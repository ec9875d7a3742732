/**
 * Health over the simulated NVML library: the real reader in this process, the real assembly and the real tracker, with a
 * clock that moves only here. What a test sets is what the driver answers at the next reading.
 */
import { setTimeout } from 'node:timers/promises';
import { expect } from 'vitest';
import { Registry } from 'prom-client';
import { SampleAssembler } from '../../src/device/assemble-sample.js';
import { emptyDriverReadings } from '../../src/domain/device-details.js';
import type { DeviceStatus, NodeSample } from '../../src/domain/device.js';
import type { Condition } from '../../src/domain/health.js';
import { noWorkload, type EngineWork, type Workload } from '../../src/domain/workload.js';
import type { CheckSettings } from '../../src/health/condition-book.js';
import { DeviceHealthTracker } from '../../src/health/device-health.js';
import { HealthHistory } from '../../src/health/health-history.js';
import { HealthMetrics } from '../../src/health/health-metrics.js';
import type { StoredHealth } from '../../src/health/stored-health.js';
import { Nvml } from '../../src/native/nvml.js';
import { silentLogger } from '../../src/runtime/logger.js';
import type { DriverProfileName, GpuScenario, ScenarioDevice } from '../../src/sim/gpu-scenario.js';
import { registerProcess } from '../../src/sim/engine/process-file.js';
import { ManualClock } from './manual-clock.js';
import { SimulatedGpus } from './simulated-gpus.js';

export interface SimulatedHealthOptions {
  /** Samples before the test begins; 1 by default. */
  warmUp?: number;
  gpus?: number;
  profile?: string;
  driver?: DriverProfileName;
  /** What is set of every device from the start. */
  set?: ScenarioDevice['set'];
  settings?: CheckSettings;
  restored?: StoredHealth;
}

export class SimulatedHealth {
  readonly clock = new ManualClock();
  readonly registry = new Registry();
  readonly gpus: SimulatedGpus;
  readonly tracker: DeviceHealthTracker;
  stored: StoredHealth | null = null;
  last: NodeSample | null = null;
  readonly #nvml: Nvml;
  readonly #assembler = new SampleAssembler();
  #sweepSeconds: number | null = null;

  constructor({
    gpus = 1,
    profile = 'H100-80',
    driver,
    set = {},
    settings = {},
    restored,
  }: SimulatedHealthOptions = {}) {
    this.gpus = new SimulatedGpus(gpus, profile, driver);
    this.gpus.edit(({ devices }) => {
      for (const device of devices) Object.assign(device.set, set);
    });
    this.#nvml = new Nvml(this.gpus.libraryPath);
    this.tracker = new DeviceHealthTracker({
      clock: this.clock,
      logger: silentLogger(),
      metrics: new HealthMetrics(this.registry, 'gpu-a'),
      history: new HealthHistory({ clock: this.clock, onEntry: () => undefined }),
      sampleIntervalMs: 1000,
      settings,
      bootId: 'boot-1',
      restored: restored ?? null,
      onDevices: () => undefined,
      onFault: () => undefined,
      onStore: (stored) => (this.stored = stored),
    });
  }

  /** Time passes, then everything is read once. */
  async sample(seconds = 1): Promise<void> {
    this.clock.advance(seconds * 1000);
    const { driver, devices } = await this.#nvml.snapshot();
    this.last = this.#assembler.assemble({
      raw: {
        driver,
        devices: devices.map((device) => ({
          ...device,
          ageMs: 0,
          details: {
            ...device.details,
            fastReadSeconds: this.#sweepSeconds ?? device.details.fastReadSeconds,
          },
        })),
        listedDevices: devices.length,
        readings: emptyDriverReadings,
        calls: [],
        heartbeatAgeMs: 0,
        rounds: 1,
        eventsWritten: 0,
        eventsDropped: 0,
        samplesAnswered: 0,
      },
      stuck: [],
      skip: new Set(),
      without: null,
      nowMs: this.clock.monotonicMs(),
    });
    this.tracker.handleSample(this.last);
  }

  /** Samples in equal steps. */
  async samples(count: number, stepSeconds: number): Promise<void> {
    for (let n = 0; n < count; n++) await this.sample(stepSeconds);
  }

  /** Changes what the driver answers of one device, and reads. */
  async set(settings: ScenarioDevice['set'], { gpu = 0, seconds = 1 } = {}): Promise<void> {
    this.gpus.edit((scenario) => void Object.assign(scenario.devices[gpu]!.set, settings));
    await this.sample(seconds);
  }

  async edit(change: (scenario: GpuScenario) => void, seconds = 1): Promise<void> {
    this.gpus.edit(change);
    await this.sample(seconds);
  }

  /** The driver is closed and opened: names are read, and devices counted, anew. */
  async reopen(): Promise<void> {
    await this.#nvml.release();
    await this.#nvml.acquire();
    await this.sample();
  }

  /** What readings are said to take from now on: a test does not wait for them. */
  sweepTakes(seconds: number): void {
    this.#sweepSeconds = seconds;
  }

  /** This process holds memory of the first GPU, as soon as the library has seen its file. */
  async holdMemory(): Promise<void> {
    registerProcess({
      nodeDirectory: this.gpus.directory,
      name: 'test',
      releaseDelayMs: 0,
      devices: [{ uuid: this.gpus.uuids[0]!, bytes: 1024 ** 3 }],
    });
    for (let looks = 0; looks < 1000 && !this.last?.devices[0]?.processes?.length; looks++) {
      await setTimeout(5);
      await this.sample();
    }
  }

  /** The machine was off, and another part of the same kind stands in the slot. */
  async replacePart(): Promise<void> {
    await this.#nvml.release();
    this.gpus.edit((scenario) => void (scenario.devices[0]!.serial = '1650000009999'));
    await this.#nvml.acquire();
    await this.sample();
  }

  workload(change: Partial<Workload>): void {
    this.tracker.handleWorkload({ ...noWorkload, ...change });
  }

  /** An engine on the first GPU that is well. */
  engine(change: Partial<EngineWork> = {}): EngineWork {
    return {
      engineId: 'chat-0',
      deviceUuids: [this.gpus.uuids[0]!],
      pids: [],
      running: 0,
      waiting: 0,
      tokenAgeMs: 0,
      cudaError: null,
      stepSeconds: null,
      ...change,
    };
  }

  status(gpu = 0): DeviceStatus {
    const status = this.tracker.devices.find(({ identity }) => identity.uuid === this.gpus.uuids[gpu]);
    if (!status) throw new Error(`expected device ${gpu}`);
    return status;
  }

  conditions(check: string, gpu = 0): Condition[] {
    return this.status(gpu).conditions.filter((condition) => condition.check === check);
  }

  expectFiring(check: string, expected: Partial<Condition> = {}, gpu = 0): void {
    expect(this.conditions(check, gpu), `${check} fires`).toMatchObject([expected]);
  }

  expectClear(check: string, gpu = 0): void {
    expect(this.conditions(check, gpu), `${check} is clear`).toEqual([]);
    expect(this.status(gpu).unsupportedChecks, `${check} is supported`).not.toContain(check);
  }

  async close(): Promise<void> {
    await this.#nvml.close();
    this.gpus.remove();
  }
}
