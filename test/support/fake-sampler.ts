/** A sampler process without a process: tests say what its snapshot holds and when it ends. */
import { emptyDriverReadings, nothingRead } from '../../src/domain/device-details.js';
import { emptyReading, type DriverState } from '../../src/domain/device.js';
import type { CallUnderWay, RawDevice, RawSnapshot } from '../../src/native/nvml.js';
import type { Sampler, SamplerCommand } from '../../src/device/sampler-process.js';

export class FakeSamplerProcess implements Sampler {
  readonly pid = 4711;
  readonly commands: SamplerCommand[] = [];
  hasSampled = false;
  ended = false;
  killed = false;
  snapshot: RawSnapshot | null = aRawSnapshot();

  constructor(
    readonly skip: ReadonlySet<number>,
    readonly startedAtMs: number,
  ) {}

  read(): RawSnapshot | null {
    return this.killed ? null : this.snapshot;
  }
  takeDropped(): number {
    return 0;
  }
  readCallTimes(): [] {
    return [];
  }
  askForSample(): number {
    return 1;
  }
  command(command: SamplerCommand): void {
    this.commands.push(command);
  }
  kill(): void {
    this.killed = true;
  }
  hang(...calls: CallUnderWay[]): void {
    this.snapshot = aRawSnapshot({ calls });
  }
}

export function aRawSnapshot(overrides: Partial<RawSnapshot> = {}): RawSnapshot {
  const driver: DriverState = { state: 'ok', driverVersion: '580.65.06', nvmlVersion: '13.580.65.06' };
  return {
    driver,
    devices: [aRawDevice(0), aRawDevice(1)],
    listedDevices: 2,
    readings: emptyDriverReadings,
    calls: [],
    heartbeatAgeMs: 10,
    rounds: 1,
    eventsWritten: 0,
    eventsDropped: 0,
    samplesAnswered: 0,
    ...overrides,
  };
}

export function aRawDevice(index: number, overrides: Partial<RawDevice> = {}): RawDevice {
  const uuid = `GPU-${index}`;
  return {
    index,
    identity: {
      uuid,
      index,
      name: 'NVIDIA L4',
      serial: null,
      pciBusId: `00000000:0${index}:00.0`,
      minorNumber: index,
    },
    ...nothingRead,
    reading: { ...emptyReading, temperatureCelsius: 40 },
    processes: [],
    error: null,
    ageMs: 5,
    ...overrides,
  };
}
