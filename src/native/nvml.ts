/** Typed doors to the native part: the sampler's snapshot, and NVML in this process. */
import type { DriverReadings } from '../domain/device-details.js';
import type { DriverState } from '../domain/device.js';
import {
  decodeAnew,
  decodeDevice,
  decodeDriver,
  type DecodedDevice,
  type RawDevice,
} from './decode-device.js';
import { loadAddon, type Addon } from './load-addon.js';
import { awaitNative, withNativeErrors } from './native-errors.js';

export type { RawDevice };

/** A driver call that is under way. */
export interface CallUnderWay {
  /** `null`: a call on the driver as a whole. */
  deviceIndex: number | null;
  call: string;
  forMs: number;
}

/** Finished calls of one function: seconds in all, and how many took up to each bound of `callTimeBounds`, and longer. */
export interface CallTimes {
  call: string;
  seconds: number;
  counts: number[];
}

/** What one reading of the sampler's snapshot says. */
export interface RawSnapshot {
  /** `null` while the driver is being opened. */
  driver: DriverState | null;
  /** Devices that have been read; fewer than `listedDevices` right after the driver was opened, or when some are skipped. */
  devices: RawDevice[];
  listedDevices: number;
  readings: DriverReadings;
  calls: CallUnderWay[];
  /** Since the sampler's command thread last showed life. */
  heartbeatAgeMs: number;
  /** Complete rounds of readings since the sampler started. */
  rounds: number;
  eventsWritten: number;
  eventsDropped: number;
  /** `sample` commands answered by a complete round. */
  samplesAnswered: number;
}

/** The shared snapshot of one sampler. Reading never waits. */
export class SnapshotFile {
  readonly #addon = loadAddon();
  readonly #reader: Addon.SnapshotReader;
  readonly #buffer: Float64Array;
  #generation = -1;
  #inventory: Addon.SnapshotInventory | null = null;
  #devices: DecodedDevice[] = [];

  /** Throws `SnapshotUnusableError`. */
  constructor(path: string) {
    this.#reader = withNativeErrors(() => this.#addon.openSnapshot(path));
    this.#buffer = new Float64Array(this.#addon.snapshotLayout.bufferLength);
  }

  read(): RawSnapshot {
    const numbers = this.#buffer;
    withNativeErrors(() => this.#reader.readSnapshot(numbers));
    const [
      state,
      generation,
      heartbeatAgeMs,
      rounds,
      eventsWritten,
      eventsDropped,
      callCount,
      deviceCount,
      listedDevices,
      samplesAnswered,
      confidentialFeature,
      confidentialReady,
      excludedDevices,
    ] = numbers;
    const inventory = this.#readInventory(generation!, deviceCount!);
    const { devicesAt, deviceLength } = this.#addon.snapshotLayout;
    this.#devices = inventory.devices.map((strings, n) =>
      decodeAnew(this.#addon, numbers, devicesAt + n * deviceLength, strings, this.#devices[n] ?? null),
    );
    return {
      driver: decodeDriver(state!, inventory),
      devices: this.#devices.map(({ device }) => device),
      listedDevices: listedDevices!,
      readings: {
        confidentialFeature: finite(confidentialFeature!),
        confidentialReady: finite(confidentialReady!),
        excludedDevices: finite(excludedDevices!),
      },
      calls: Array.from({ length: callCount! }, (_, n) => this.#callAt(n)),
      heartbeatAgeMs: heartbeatAgeMs!,
      rounds: rounds!,
      eventsWritten: eventsWritten!,
      eventsDropped: eventsDropped!,
      samplesAnswered: samplesAnswered!,
    };
  }

  /** How long the calls took so far, by function; those that were never made are left out. */
  readCallTimes(): CallTimes[] {
    const { callNames, callTimeBounds } = this.#addon;
    const numbers = withNativeErrors(() => this.#reader.readCallTimes());
    const width = callTimeBounds.length + 2;
    return callNames.flatMap((call, n) => {
      const [seconds, ...counts] = numbers.subarray(n * width, (n + 1) * width);
      return counts.some((count) => count > 0) ? [{ call, seconds: seconds!, counts }] : [];
    });
  }

  /** Idempotent. */
  close(): void {
    this.#reader.close();
  }

  #readInventory(generation: number, deviceCount: number): Addon.SnapshotInventory {
    const known = this.#inventory;
    if (known && generation === this.#generation && this.#speaksOf(known, deviceCount)) return known;
    this.#generation = generation;
    return (this.#inventory = withNativeErrors(() => this.#reader.readInventory()));
  }

  /** A device thread may have published its first row between the generation and the rows. */
  #speaksOf({ devices }: Addon.SnapshotInventory, deviceCount: number): boolean {
    const { devicesAt, deviceLength } = this.#addon.snapshotLayout;
    return (
      devices.length === deviceCount &&
      devices.every(({ index }, n) => index === this.#buffer[devicesAt + n * deviceLength])
    );
  }

  #callAt(n: number): CallUnderWay {
    const { callsAt, callLength } = this.#addon.snapshotLayout;
    const [device, call, forMs] = this.#buffer.subarray(callsAt + n * callLength);
    return {
      deviceIndex: device! < 0 ? null : device!,
      call: this.#addon.callNames[call!] ?? '',
      forMs: forMs!,
    };
  }
}

/** NVML in this process, for `doctor` and tests. A call that hangs keeps a thread of Node's pool: the agent uses the sampler. */
export class Nvml {
  readonly #addon = loadAddon();
  readonly #session: Addon.NvmlSession;

  constructor(libraryPath: string) {
    this.#session = withNativeErrors(() => this.#addon.openNvml(libraryPath));
  }

  /** Opens the driver unless it was released; says in `driver` why it could not. */
  async snapshot(): Promise<{ driver: DriverState; devices: RawDevice[] }> {
    const snapshot = await awaitNative(this.#session.snapshot());
    return {
      driver: decodeDriver(snapshot.driverState, snapshot) ?? { state: 'init-failed', reason: 'not opened' },
      devices: snapshot.devices.map(({ numbers, ...strings }) =>
        decodeDevice(this.#addon, numbers, 0, strings),
      ),
    };
  }

  /** One event, or `null` after at most 100 ms. */
  waitEvent(timeoutMs = 100): Promise<Addon.SessionEvent | null> {
    return awaitNative(this.#session.waitEvent(timeoutMs));
  }

  /** Frees NVML, so that a driver upgrade or a reset can go ahead. */
  release(): Promise<void> {
    return awaitNative(this.#session.release());
  }

  /** Throws `DriverUnavailableError`. */
  acquire(): Promise<void> {
    return awaitNative(this.#session.acquire());
  }

  /** Idempotent. */
  close(): Promise<void> {
    return awaitNative(this.#session.close());
  }
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** Upper bounds of the counts in `CallTimes`, seconds. */
export function callTimeBounds(): readonly number[] {
  return loadAddon().callTimeBounds;
}
