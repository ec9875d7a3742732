/** One device of a snapshot buffer (`snapshotLayout` in native/addon.d.ts) as the domain's types. */
import { canonicalPciBusId } from '../domain/canonical-pci-bus-id.js';
import { emptyDetails, emptyLink, type DeviceDetails } from '../domain/device-details.js';
import type { DeviceParts, DeviceVersions, LinkReading } from '../domain/device-details.js';
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
  details: DeviceDetails;
  parts: DeviceParts;
  versions: DeviceVersions;
  failed: readonly string[];
  processes: DeviceProcess[] | null;
  error: { code: string; call: string } | null;
  ageMs: number;
}

export type Strings = Addon.DeviceStrings;
type Module = typeof Addon;

/** What was decoded last, of which everything that has not changed since is used again: most of the time a device has nothing new to tell. */
export interface DecodedDevice {
  device: RawDevice;
  /** Its numbers, and the strings that they were decoded with. */
  numbers: Float64Array;
  strings: Strings;
}

/** Age is the one number that changes by itself. */
const ageAt = 1;

export function decodeAnew(
  addon: Module,
  numbers: Float64Array,
  at: number,
  strings: Strings,
  before: DecodedDevice | null,
): DecodedDevice {
  const now = numbers.subarray(at, at + addon.snapshotLayout.deviceLength);
  if (before?.strings === strings && isSame(before.numbers, now)) {
    before.device = { ...before.device, ageMs: now[ageAt]! };
    return before;
  }
  return {
    device: decodeDevice(addon, numbers, at, strings, before?.device),
    numbers: now.slice(),
    strings,
  };
}

/** Byte by byte: what is not there is NaN, which equals nothing. */
function isSame(before: Float64Array, now: Float64Array): boolean {
  const from = (ageAt + 1) * Float64Array.BYTES_PER_ELEMENT;
  return before[0] === now[0] && bytesOf(before, from).equals(bytesOf(now, from));
}

function bytesOf({ buffer, byteOffset, byteLength }: Float64Array, from: number): Buffer {
  return Buffer.from(buffer, byteOffset + from, byteLength - from);
}

/** `numbers` from `at` on. `before` is the same device as decoded last: parts that have not been read since are reused. */
export function decodeDevice(
  addon: Module,
  numbers: Float64Array,
  at: number,
  strings: Strings,
  before: RawDevice | null = null,
): RawDevice {
  const [index, ageMs, errorCode, errorCall, processCount, , slowReads] = numbers.subarray(at, at + 7);
  const { readingAt, processesAt } = addon.snapshotLayout;
  const { readingColumns, detailColumns } = addon;
  const failed: string[] = [];
  const reading = decodeColumns(numbers, at + readingAt, readingColumns, emptyReading, failed);
  const detailsAt = at + readingAt + readingColumns.length;
  return {
    index: index!,
    ageMs: ageMs!,
    identity: identityOf(strings),
    reading,
    details: decodeColumns(numbers, detailsAt, detailColumns, emptyDetails, failed),
    parts:
      before && before.parts.readNumber === slowReads && before.identity?.uuid === strings.uuid
        ? before.parts
        : decodeParts(addon, numbers, at, strings),
    versions: { vbios: strings.vbios, inforom: strings.inforom, partNumber: strings.partNumber },
    failed,
    processes: decodeProcesses(numbers, at + processesAt, processCount!),
    error:
      errorCode === 0
        ? null
        : { code: addon.returnName(errorCode!), call: addon.callNames[errorCall!] ?? '' },
  };
}

function identityOf({ uuid, index, name, serial, pciBusId, minorNumber }: Strings): DeviceIdentity | null {
  return uuid === null
    ? null
    : { uuid, index, name, serial, pciBusId: canonicalPciBusId(pciBusId), minorNumber };
}

/** Infinity stands for a reading that failed. */
function decodeColumns<T extends object>(
  numbers: Float64Array,
  at: number,
  names: readonly string[],
  empty: Readonly<T>,
  failed: string[],
): T {
  const values: Record<string, number | null> = { ...(empty as Record<string, number | null>) };
  for (let column = 0; column < names.length; column++) {
    const value = numbers[at + column]!;
    values[names[column]!] = numberOrNull(value);
    if (value === Infinity) failed.push(names[column]!);
  }
  return values as T;
}

function decodeParts(addon: Module, numbers: Float64Array, at: number, { migs }: Strings): DeviceParts {
  const { linksAt, migsAt, peersAt } = addon.snapshotLayout;
  const [readNumber, links, instances, peers] = numbers.subarray(at + 6, at + 10);
  const width = addon.linkColumns.length;
  const number = (n: number): number | null => numberOrNull(numbers[at + n]!);
  return {
    readNumber: readNumber!,
    links: listOf(links!, (n) =>
      decodeColumns<LinkReading>(numbers, at + linksAt + n * width, addon.linkColumns, emptyLink, []),
    ),
    migs: listOf(Math.min(instances!, migs.length), (n) => ({
      ...migs[n]!,
      memoryTotalBytes: number(migsAt + 2 * n),
      memoryUsedBytes: number(migsAt + 2 * n + 1),
    })),
    peers: listOf(peers!, (n) => number(peersAt + n)),
  };
}

/** A negative length is "not read". */
function listOf<T>(length: number, item: (n: number) => T): T[] | null {
  return length < 0 ? null : Array.from({ length }, (_, n) => item(n));
}

function decodeProcesses(numbers: Float64Array, at: number, count: number): DeviceProcess[] | null {
  if (count < 0) return null;
  return Array.from({ length: count }, (_, n) => ({
    pid: numbers[at + 3 * n]!,
    memoryBytes: numberOrNull(numbers[at + 3 * n + 1]!),
    gpuInstance: numberOrNull(numbers[at + 3 * n + 2]!),
  }));
}

function numberOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
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
