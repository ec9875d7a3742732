/** What others on the node know of an engine's work and devices. All of it may be absent: then it is no sign of anything. */
import type { DeviceReading } from '../domain/device.js';

/** A request that a coordinator has placed on an engine. */
export interface PlacedRequest {
  /** Of this attempt. */
  leaseId: string;
  /** The same over all attempts, where the coordinator tells it; else the lease's. */
  requestId: string;
}

export interface EngineInputs {
  /** Requests in flight on the engine by what coordinators report; empty when none reports. */
  workOn(engineId: string): readonly PlacedRequest[];
  /** Latest reading of a device, `null` before the first. */
  reading(deviceUuid: string): DeviceReading | null;
  /** Product name of a device, `null` before the first reading. */
  deviceName(deviceUuid: string): string | null;
  /** Has the device an active NVLink? `null`: it does not tell. */
  readonly hasNvlink: (deviceUuid: string) => boolean | null;
  /** Is the device split by MIG, so that no engine has it whole? */
  readonly isSplit: (deviceUuid: string) => boolean;
  /** What a heartbeat of ours takes on each device; 0 where it is off. */
  readonly heartbeatBytes: number;
  /** Did the device miss its heartbeat? `null`: nobody beats. */
  heartbeatMissed(deviceUuid: string): boolean | null;
  /** Why a device should take no engine now; `null`: it passed its probe, or could not be asked. Never rejects. Itself `null`: nobody probes. */
  readonly preflight: ((deviceUuid: string) => Promise<string | null>) | null;
}

export const noInputs: EngineInputs = {
  workOn: () => [],
  reading: () => null,
  deviceName: () => null,
  hasNvlink: () => null,
  isSplit: () => false,
  heartbeatBytes: 0,
  heartbeatMissed: () => null,
  preflight: null,
};
