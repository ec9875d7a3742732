/** A health tracker with a manual clock, one H100, and words to feed it. */
import { Registry } from 'prom-client';
import { expect } from 'vitest';
import { emptyDriverReadings, nothingRead } from '../../../src/domain/device-details.js';
import {
  emptyReading,
  type DeviceEvent,
  type DeviceReading,
  type DeviceSample,
  type DeviceStatus,
  type NodeSample,
} from '../../../src/domain/device.js';
import type { Condition, Fault } from '../../../src/domain/health.js';
import type { HistoryEntry } from '../../../src/domain/history.js';
import { HealthHistory } from '../../../src/health/health-history.js';
import type { KernelRecord } from '../../../src/domain/kernel-log.js';
import type { CheckSettings } from '../../../src/health/condition-book.js';
import { DeviceHealthTracker } from '../../../src/health/device-health.js';
import type { HostView } from '../../../src/health/kernel-log-intake.js';
import type { StoredHealth } from '../../../src/health/stored-health.js';
import { HealthMetrics } from '../../../src/health/health-metrics.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { ManualClock } from '../../support/manual-clock.js';
import { aDeviceStatus, deviceUuid } from '../../support/node-fixtures.js';

export const goodReading: DeviceReading = {
  ...emptyReading,
  temperatureCelsius: 45,
  memoryTotalBytes: 80e9,
  memoryFreeBytes: 80e9,
  eccUncorrectedVolatile: 0,
  eccCorrectedVolatile: 0,
  rowRemapFailure: 0,
  rowRemapPending: 0,
  recoveryAction: 0,
};

export const driverOk = { state: 'ok', driverVersion: '580.65.06', nvmlVersion: '13.580.65.06' } as const;

export class HealthBench {
  readonly clock = new ManualClock();
  readonly registry = new Registry();
  readonly faults: Fault[] = [];
  /** What was announced, in order: `devices` or the check of a fault. */
  readonly order: string[] = [];
  stored: StoredHealth | null = null;
  devices: DeviceStatus[] = [];
  readonly tracker: DeviceHealthTracker;
  readonly history: HealthHistory;
  readonly entries: HistoryEntry[] = [];
  #kernelSeq: number;

  constructor(
    options: {
      settings?: CheckSettings;
      restored?: StoredHealth;
      bootId?: string;
      intervalMs?: number;
      callDeadlineMs?: number;
      drill?: boolean;
      host?: HostView;
      /** Sequence number of the first line of the kernel log. */
      firstSeq?: number;
    } = {},
  ) {
    this.#kernelSeq = options.firstSeq ?? 0;
    this.history = new HealthHistory({
      clock: this.clock,
      onEntry: (entry) => this.entries.push(entry),
    });
    this.tracker = new DeviceHealthTracker({
      clock: this.clock,
      logger: silentLogger(),
      metrics: new HealthMetrics(this.registry, 'gpu-a'),
      history: this.history,
      sampleIntervalMs: options.intervalMs ?? 1000,
      callDeadlineMs: options.callDeadlineMs ?? 0,
      drill: options.drill ?? false,
      settings: options.settings ?? {},
      bootId: options.bootId ?? 'boot-1',
      restored: options.restored ?? null,
      ...(options.host ? { host: options.host } : {}),
      onDevices: (devices) => {
        this.order.push('devices');
        this.devices = devices;
      },
      onFault: (fault) => {
        this.order.push(fault.check);
        this.faults.push(fault);
      },
      onStore: (stored) => (this.stored = stored),
    });
  }

  device(index = 0, sample: Partial<DeviceSample> = {}): DeviceSample {
    return {
      identity: aDeviceStatus(index).identity,
      ...nothingRead,
      reading: goodReading,
      processes: [],
      error: null,
      ageMs: 0,
      ...sample,
    };
  }

  /** A second passes and a snapshot comes. */
  sample(change: Partial<NodeSample> = {}): void {
    this.clock.advance(1000);
    this.tracker.handleSample({
      driver: driverOk,
      devices: [this.device()],
      readings: emptyDriverReadings,
      stuck: [],
      takenAtMs: this.clock.monotonicMs(),
      ...change,
    });
  }

  reading(reading: Partial<DeviceReading>): void {
    this.sample({ devices: [this.device(0, { reading: { ...goodReading, ...reading } })] });
  }

  failing(code: string): void {
    const error = { code, call: 'nvmlDeviceGetTemperature' };
    this.sample({ devices: [this.device(0, { error, reading: emptyReading })] });
  }

  absent(): void {
    this.sample({ devices: [] });
  }

  event(change: Partial<DeviceEvent>): void {
    this.tracker.handleEvent({
      deviceUuid: deviceUuid(0),
      kind: 'xid',
      code: 79,
      source: 'nvml',
      text: null,
      pid: null,
      receivedAtMs: this.clock.monotonicMs(),
      drill: false,
      ...change,
    });
  }

  xid(code: number, change: Partial<DeviceEvent> = {}): void {
    this.event({ code, ...change });
  }

  /** A line of the kernel log, `ageMs` old. */
  kernel(text: string, change: Partial<KernelRecord> & { ageMs?: number } = {}): void {
    const { ageMs = 0, ...rest } = change;
    this.tracker.handleKernelRecord({
      seq: this.#kernelSeq++,
      text,
      observedAtMs: this.clock.monotonicMs() - ageMs,
      drill: false,
      ...rest,
    });
  }

  nodeCondition(check: string): Condition | undefined {
    return this.tracker.nodeConditions.find((c) => c.check === check);
  }

  get status(): DeviceStatus {
    const status = this.devices[0];
    if (!status) throw new Error('expected a device, none was announced');
    return status;
  }

  condition(check: string): Condition | undefined {
    return this.tracker.devices[0]?.conditions.find((c) => c.check === check);
  }

  expectFiring(check: string, expected: Partial<Condition>): void {
    expect(this.condition(check)).toMatchObject(expected);
  }

  expectClear(check: string): void {
    expect(this.condition(check)).toBeUndefined();
  }
}
