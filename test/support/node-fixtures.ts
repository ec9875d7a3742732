/** Domain objects for tests, complete and plausible; override what the test is about. */
import { emptyReading, type DeviceStatus, type NodeSample } from '../../src/domain/device.js';
import { emptyDriverReadings, nothingRead } from '../../src/domain/device-details.js';
import type { EngineStatus } from '../../src/domain/engine.js';
import { systemClock } from '../../src/runtime/clock.js';

export function deviceUuid(index: number): string {
  return `GPU-00000000-0000-0000-0000-${String(index).padStart(12, '0')}`;
}

export function aDeviceStatus(index = 0, overrides: Partial<DeviceStatus> = {}): DeviceStatus {
  return {
    identity: {
      uuid: deviceUuid(index),
      index,
      name: 'NVIDIA H100 80GB HBM3',
      serial: `16500000000${index}`,
      pciBusId: `00000000:0${index + 1}:00.0`,
      minorNumber: null,
    },
    health: 'healthy',
    healthSinceMs: 1_700_000_000_000,
    severity: null,
    action: 'none',
    reason: '',
    conditions: [],
    unsupportedChecks: [],
    cordons: [],
    reading: { ...emptyReading, temperatureCelsius: 41, memoryFreeBytes: 80e9 },
    sampleAgeMs: 12,
    ...overrides,
  };
}

export function anEngineStatus(id = 'chat-0', overrides: Partial<EngineStatus> = {}): EngineStatus {
  return {
    id,
    origin: 'supervised',
    template: 'chat',
    state: 'ready',
    reason: '',
    stateSinceMs: 1_700_000_000_000,
    servedModels: ['model'],
    url: 'http://127.0.0.1:8001',
    deviceUuids: [deviceUuid(0)],
    incarnation: '1',
    pid: 4711,
    cordons: [],
    evicting: false,
    restarts: 0,
    load: { running: 1, waiting: 0, kvCacheUsageRatio: 0.5, kvCacheBlocks: null, kvBlockTokens: null },
    ...overrides,
  };
}

/** Two healthy devices under a driver that answers. */
export function aNodeSample(change: Partial<NodeSample> = {}): NodeSample {
  const device = (index: number) => ({
    identity: aDeviceStatus(index).identity,
    ...nothingRead,
    reading: aDeviceStatus(index).reading,
    processes: [],
    error: null,
    ageMs: 0,
  });
  return {
    driver: { state: 'ok', driverVersion: '580.65.06', nvmlVersion: '13' },
    devices: [device(0), device(1)],
    readings: emptyDriverReadings,
    stuck: [],
    takenAtMs: systemClock.monotonicMs(),
    ...change,
  };
}
