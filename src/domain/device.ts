import type { Action, Condition, DeviceHealth, Severity } from './health.js';
import type { Cordon } from './cordon.js';
import type { DeviceDetails, DeviceParts, DeviceVersions, DriverReadings } from './device-details.js';

/** Who a GPU is. The NVML UUID is the identity; the index moves when a GPU falls off the bus. */
export interface DeviceIdentity {
  uuid: string;
  index: number;
  name: string;
  serial: string | null;
  /** Canonical form `dddddddd:bb:dd.f`, lower case. */
  pciBusId: string;
  minorNumber: number | null;
}

/** The readings of one sample. `null` is "not supported or not read", never a number made up. */
export interface DeviceReading {
  temperatureCelsius: number | null;
  memoryTemperatureCelsius: number | null;
  /** Distance to the part's own slowdown temperature; absent where the sampler does not read it. */
  temperatureMarginCelsius?: number | null;
  powerWatts: number | null;
  powerLimitWatts: number | null;
  smClockMhz: number | null;
  memoryClockMhz: number | null;
  gpuUtilizationRatio: number | null;
  memoryUtilizationRatio: number | null;
  memoryTotalBytes: number | null;
  memoryUsedBytes: number | null;
  memoryFreeBytes: number | null;
  eccUncorrectedVolatile: number | null;
  eccCorrectedVolatile: number | null;
  remappedRowsCorrectable: number | null;
  remappedRowsUncorrectable: number | null;
  rowRemapPending: number | null;
  rowRemapFailure: number | null;
  throttleReasons: number | null;
  pcieLinkGeneration: number | null;
  pcieLinkWidth: number | null;
  pcieReplayCounter: number | null;
  /** NVML field 230; see `recovery_action_map` in the Xid data. */
  recoveryAction: number | null;
}

/** Nothing read: where a reading is wanted and there is none. */
export const emptyReading: Readonly<DeviceReading> = {
  temperatureCelsius: null,
  memoryTemperatureCelsius: null,
  powerWatts: null,
  powerLimitWatts: null,
  smClockMhz: null,
  memoryClockMhz: null,
  gpuUtilizationRatio: null,
  memoryUtilizationRatio: null,
  memoryTotalBytes: null,
  memoryUsedBytes: null,
  memoryFreeBytes: null,
  eccUncorrectedVolatile: null,
  eccCorrectedVolatile: null,
  remappedRowsCorrectable: null,
  remappedRowsUncorrectable: null,
  rowRemapPending: null,
  rowRemapFailure: null,
  throttleReasons: null,
  pcieLinkGeneration: null,
  pcieLinkWidth: null,
  pcieReplayCounter: null,
  recoveryAction: null,
};

/** A process that holds a CUDA context on the device. */
export interface DeviceProcess {
  pid: number;
  memoryBytes: number | null;
  /** Where MIG is on: the GPU instance that it runs in; `null` or absent: the whole device. */
  gpuInstance?: number | null;
}

/** One device in one snapshot of the sampler. */
export interface DeviceSample {
  identity: DeviceIdentity;
  reading: DeviceReading;
  details: DeviceDetails;
  parts: DeviceParts;
  versions: DeviceVersions;
  /** Members of `reading` and `details` that the device has and that could not be read this time. */
  failed: readonly string[];
  processes: DeviceProcess[] | null;
  /** NVML return code name of the first failing read that speaks of the device itself, such as `NVML_ERROR_GPU_IS_LOST`. */
  error: { code: string; call: string } | null;
  /** Age of the readings when the snapshot was taken, ms. */
  ageMs: number;
}

/** The driver as a whole. Absent library, absent symbol, no device and failed init are different answers. */
export type DriverState =
  | { state: 'ok'; driverVersion: string; nvmlVersion: string }
  | {
      state: 'library-absent' | 'library-unusable' | 'init-failed' | 'no-device' | 'released';
      reason: string;
    };

export interface NodeSample {
  driver: DriverState;
  devices: DeviceSample[];
  readings: DriverReadings;
  /** A call that has not returned within its deadline; its device turns `unknown`. */
  stuck: { deviceIndex: number | null; deviceUuid: string | null; call: string; forMs: number }[];
  /** Monotonic ms of the agent's clock. */
  takenAtMs: number;
}

/** An instant reported by the driver. */
export interface DeviceEvent {
  deviceUuid: string | null;
  kind: 'xid' | 'single-bit-ecc' | 'double-bit-ecc' | 'recovery-action' | 'unavailable' | 'other';
  /** Xid code, recovery action value or raw event type. */
  code: number;
  source: 'nvml' | 'kmsg';
  /** Raw log line where there is one. */
  text: string | null;
  pid: number | null;
  /** Monotonic ms of the agent's clock at reception. */
  receivedAtMs: number;
  /** True when it is a rehearsal: a simulated library, or a line that a program wrote into the kernel log. */
  drill: boolean;
  /** GPU instance that it speaks of, where MIG is on; `null` or absent: the whole device. */
  gpuInstance?: number | null;
  /** A kernel log line without an Xid number that says what Xid 79 says. */
  fallenOff?: boolean;
}

/** One MIG instance: what is wrong with the whole device, and with this part of it; another instance's faults are not its own. */
export interface InstanceStatus {
  uuid: string;
  gpuInstance: number;
  computeInstance: number;
  health: DeviceHealth;
  /** Empty when healthy. */
  reason: string;
}

/** What the node says of one device: identity, health with its reason, cordons, the latest readings. */
export interface DeviceStatus {
  identity: DeviceIdentity;
  health: DeviceHealth;
  healthSinceMs: number;
  severity: Severity | null;
  action: Action;
  /** One sentence; empty when healthy. */
  reason: string;
  conditions: Condition[];
  /** Ids of checks whose source this device, driver or host does not have; they say nothing, and never "healthy". */
  unsupportedChecks?: readonly string[];
  /** State of each MIG instance; absent where MIG is off. */
  instances?: readonly InstanceStatus[];
  cordons: Cordon[];
  reading: DeviceReading;
  sampleAgeMs: number;
}
