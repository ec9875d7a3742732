/** What health keeps on disk: who the devices are, whose cordons they have, and what only a repair clears. */
import type { Cordon } from '../domain/cordon.js';
import type { DeviceIdentity } from '../domain/device.js';
import type { DeviceInventory } from './device-inventory.js';
import type { HeldCondition } from './condition-book.js';
import type { StoredRepeats } from './repeat-memory.js';

/** What is kept on disk of one device. */
export interface StoredDevice {
  identity: DeviceIdentity;
  cordons: Cordon[];
  conditions: HeldCondition[];
  /** Absent in documents of older agents. */
  inventory?: DeviceInventory;
  /** What came back after repairs; absent in documents of older agents. */
  repeats?: StoredRepeats;
}

export interface StoredHealth {
  /** Boot id under which the conditions were seen. */
  bootId: string;
  devices: StoredDevice[];
  /** Conditions of the node as a whole; absent in documents of older agents, as is what follows. */
  node?: HeldCondition[];
  /** RDMA ports that were active when they were first seen. */
  rdmaPorts?: string[];
  /** Sequence number of the newest kernel log record that was acted on in this boot. */
  kernelLogSeen?: number;
}

/** Enough of a look at a document from disk to trust the rest to this same program. */
export function isStoredHealth(value: unknown): value is StoredHealth {
  const stored = value as Partial<StoredHealth> | null;
  return (
    typeof stored?.bootId === 'string' &&
    Array.isArray(stored.devices) &&
    (stored.rdmaPorts === undefined || Array.isArray(stored.rdmaPorts)) &&
    (stored.node === undefined || Array.isArray(stored.node)) &&
    (stored.kernelLogSeen === undefined || Number.isSafeInteger(stored.kernelLogSeen)) &&
    stored.devices.every(
      (device) =>
        typeof device?.identity?.uuid === 'string' &&
        Array.isArray(device.cordons) &&
        Array.isArray(device.conditions),
    )
  );
}
