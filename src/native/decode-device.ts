/** One device of a snapshot buffer (`snapshotLayout` in native/addon.d.ts) as the domain's types. */
import {
  emptyReading,
  type DeviceIdentity,
  type DeviceProcess,
  type DeviceReading,
  type DriverState,
} from '../domain/device.js';
import type { Addon } from './load-addon.js';

/** One device as read. `identity` is `null` when the driver lists it but gives no handle. */
export interface RawDevice {
  index: number;
  identity: DeviceIdentity | null;
  reading: DeviceReading;
  processes: DeviceProcess[] | null;
  error: { code: string; call: string } | null;
  ageMs: number;
}

export type Strings = Addon.DeviceStrings;
type Module = typeof Addon;

/** `numbers` from `at` on. */
export function decodeDevice(addon: Module, numbers: Float64Array, at: number, strings: Strings): RawDevice {
  const [index, ageMs, errorCode, errorCall, processCount] = numbers.subarray(at, at + 5);
  const { readingAt, processesAt } = addon.snapshotLayout;
  return {
    index: index!,
    ageMs: ageMs!,
    identity: identityOf(strings),
    reading: decodeReading(addon, numbers, at + readingAt),
    processes: decodeProcesses(numbers, at + processesAt, processCount!),
    error:
      errorCode === 0
        ? null
        : { code: addon.returnName(errorCode!), call: addon.callNames[errorCall!] ?? '' },
  };
}

function identityOf({ uuid, ...rest }: Strings): DeviceIdentity | null {
  return uuid === null ? null : { uuid, ...rest };
}

function decodeReading(addon: Module, numbers: Float64Array, at: number): DeviceReading {
  const reading: Record<string, number | null> = { ...emptyReading };
  addon.readingColumns.forEach((name, column) => (reading[name] = numberOrNull(numbers[at + column]!)));
  return reading as unknown as DeviceReading;
}

function decodeProcesses(numbers: Float64Array, at: number, count: number): DeviceProcess[] | null {
  if (count < 0) return null;
  return Array.from({ length: count }, (_, n) => ({
    pid: numbers[at + 2 * n]!,
    memoryBytes: numberOrNull(numbers[at + 2 * n + 1]!),
  }));
}

function numberOrNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

const closedStates = [
  'library-absent',
  'library-unusable',
  'init-failed',
  'no-device',
  'released',
] as const satisfies DriverState['state'][];

/** `null` while the driver is being opened. */
export function decodeDriver(
  state: number,
  { reason, driverVersion, nvmlVersion }: { reason: string; driverVersion: string; nvmlVersion: string },
): DriverState | null {
  if (state === 0) return null;
  if (state === 1) return { state: 'ok', driverVersion, nvmlVersion };
  return { state: closedStates[state - 2] ?? 'init-failed', reason };
}
