/**
 * What a device was when it was well, kept on disk by serial number: a link, a lane or a megabyte that is missing later is
 * judged against it, because some boards are wired narrower than the part allows. Each member is what was first seen, or
 * the most seen since; an operator who acknowledges a condition accepts what there is now.
 */
import type { DeviceSample } from '../domain/device.js';

export interface DeviceInventory {
  memoryTotalBytes: number | null;
  pcieLinkWidth: number | null;
  activeLinks: number | null;
  /** Slot on the baseboard. */
  moduleId: number | null;
  /** UUIDs of the MIG instances. */
  migUuids: string[] | null;
  /** UUIDs of the devices that could be reached as peers. */
  peers: string[];
  /** Remapped rows when a wall-clock day (days since 1970) was first seen, for the pace of remapping; at most eight. */
  remapDays: [day: number, rows: number][];
}

export const emptyInventory: Readonly<DeviceInventory> = {
  memoryTotalBytes: null,
  pcieLinkWidth: null,
  activeLinks: null,
  moduleId: null,
  migUuids: null,
  peers: [],
  remapDays: [],
};

const keptDays = 8;
const dayMs = 86_400_000;

/** The same object when nothing is new. */
export function updateInventory(
  before: Readonly<DeviceInventory>,
  sample: DeviceSample,
  uuidAt: (index: number) => string | null,
  wallMs: number,
): Readonly<DeviceInventory> {
  const { reading, details, parts } = sample;
  const migUuids = details.migMode === 1 ? (parts.migs?.map(({ uuid }) => uuid) ?? null) : null;
  const next: DeviceInventory = {
    memoryTotalBytes: most(before.memoryTotalBytes, reading.memoryTotalBytes),
    pcieLinkWidth: most(before.pcieLinkWidth, reading.pcieLinkWidth),
    activeLinks: most(before.activeLinks, parts.links?.filter(({ active }) => active === 1).length ?? null),
    moduleId: details.moduleId ?? before.moduleId,
    migUuids: union(before.migUuids, migUuids),
    peers: union(before.peers, reachable(parts.peers, uuidAt)) ?? [],
    remapDays: withDay(before.remapDays, reading.remappedRowsUncorrectable, wallMs),
  };
  return same(before, next) ? before : next;
}

/** Forgets what the check compares with; the next sample sets it anew. */
export function acceptAsIs(inventory: Readonly<DeviceInventory>, check: string): Readonly<DeviceInventory> {
  switch (check) {
    case 'memory_size_changed':
      return { ...inventory, memoryTotalBytes: null };
    case 'pcie_width':
      return { ...inventory, pcieLinkWidth: null };
    case 'nvlink_down':
      return { ...inventory, activeLinks: null };
    case 'mig_instance_missing':
      return { ...inventory, migUuids: null };
    case 'p2p_broken':
      return { ...inventory, peers: [] };
    case 'remap_rate':
      return { ...inventory, remapDays: [] };
    default:
      return inventory;
  }
}

function most(before: number | null, now: number | null): number | null {
  return now === null ? before : Math.max(before ?? now, now);
}

function union(before: string[] | null, now: string[] | null): string[] | null {
  if (now === null || now.every((uuid) => before?.includes(uuid))) return before;
  return [...new Set([...(before ?? []), ...now])];
}

function reachable(
  peers: readonly (number | null)[] | null,
  uuidAt: (index: number) => string | null,
): string[] {
  return (peers ?? []).flatMap((status, index) => (status === 0 ? (uuidAt(index) ?? []) : []));
}

function withDay(days: [number, number][], rows: number | null, wallMs: number): [number, number][] {
  const day = Math.floor(wallMs / dayMs);
  if (rows === null || days.some(([d, known]) => d === day && known <= rows)) return days;
  // A clock that jumped back must not leave days of the future behind.
  const kept = days.filter(([d, known]) => d < day && known <= rows).slice(1 - keptDays);
  return [...kept, [day, rows]];
}

function same(a: DeviceInventory, b: DeviceInventory): boolean {
  return (Object.keys(b) as (keyof DeviceInventory)[]).every((key) => a[key] === b[key]);
}
