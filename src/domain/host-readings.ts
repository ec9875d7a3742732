/** What is read of the host beside its GPUs. `null` is "not there, or this process may not look". */
export interface HostReadings {
  /** Monotonic ms. */
  takenAtMs: number;
  /** PCI addresses (`dddddddd:bb:dd.f`) of NVIDIA display and compute devices on the bus. */
  pciDevices: readonly string[] | null;
  /** Bridges with ACS source validation on. */
  acsBridges: readonly string[] | null;
  virtualMachine: boolean | null;
  memoryAvailableRatio: number | null;
  /** Share of the last minute in which everything waited for memory, percent. */
  memoryPressureAvg60: number | null;
  disks: readonly { path: string; freeRatio: number | null }[];
  /** Processes in uninterruptible sleep that hold an NVIDIA device, or are the driver's own. */
  blockedProcesses: readonly BlockedProcess[] | null;
  rdmaPorts: readonly RdmaPort[] | null;
  peermemLoaded: boolean | null;
  /** The open kernel modules share memory by DMA-BUF and need no nvidia_peermem. */
  openKernelModule: boolean | null;
  nvswitchPresent: boolean | null;
  fabricManagerRunning: boolean | null;
}

export interface BlockedProcess {
  pid: number;
  name: string;
  forMs: number;
}

export interface RdmaPort {
  /** `mlx5_0/1`. */
  name: string;
  active: boolean;
  symbolErrors: number | null;
  linkDowned: number | null;
  linkErrorRecovery: number | null;
  receiveErrors: number | null;
}

export const noHostReadings: Readonly<HostReadings> = {
  takenAtMs: 0,
  pciDevices: null,
  acsBridges: null,
  virtualMachine: null,
  memoryAvailableRatio: null,
  memoryPressureAvg60: null,
  disks: [],
  blockedProcesses: null,
  rdmaPorts: null,
  peermemLoaded: null,
  openKernelModule: null,
  nvswitchPresent: null,
  fabricManagerRunning: null,
};
