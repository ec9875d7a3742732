/** What the checks of the node as a whole look at. */
import type { DriverReadings } from '../../domain/device-details.js';
import type { DriverState } from '../../domain/device.js';
import type { HostReadings } from '../../domain/host-readings.js';
import type { CounterHistory } from '../counter-history.js';
import type { Check } from './device-check.js';

/** What is remembered of one RDMA port. */
export interface PortMemory {
  /** Since when it is not active, monotonic ms; `null`: it is. */
  downSinceMs: number | null;
  /** When it came back after having been down long enough to count. */
  flapsAtMs: readonly number[];
}

export interface HostView {
  driver: DriverState;
  readings: DriverReadings;
  host: Readonly<HostReadings>;
  /** Ports that were active at first sight, and those that are there now, by name. */
  ports: ReadonlyMap<string, PortMemory>;
  history: CounterHistory;
  /** PCI addresses of all devices that the driver lists, or that have a record of their own. */
  knownPciAddresses: ReadonlySet<string>;
  nowMs: number;
}

export type HostCheck = Check<HostView>;
