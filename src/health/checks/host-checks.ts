/** Checks of the node as a whole: driver, memory, disks, processes, RDMA ports, services and settings. */
import {
  hourMs,
  minuteMs,
  ok,
  unknown,
  unsupported,
  type Limit,
  type PartVerdict,
  type Verdict,
} from './device-check.js';
import type { HostCheck, HostView } from './host-check.js';
import { companion, tableValue } from './read-values.js';

const versionMismatch = 'NVML_ERROR_LIB_RM_VERSION_MISMATCH';

function isUnusable({ driver }: HostView): boolean {
  return ['library-absent', 'library-unusable', 'init-failed'].includes(driver.state);
}

function reasonOf({ driver }: HostView): string {
  return driver.state === 'ok' ? '' : driver.reason;
}

/** A node without an NVIDIA device on the bus has no GPU, and nothing is wrong with it. */
const driverNotLoadedOnNode: HostCheck = {
  id: 'driver_not_loaded',
  evaluate(view) {
    if (!isUnusable(view) || reasonOf(view).includes(versionMismatch)) return ok;
    const { pciDevices } = view.host;
    if (pciDevices === null) return unknown;
    return pciDevices.length > 0
      ? {
          state: 'firing',
          reason: `${pciDevices.length} NVIDIA devices are on the bus and the driver cannot be used: ${reasonOf(view)}`,
        }
      : ok;
  },
};

/** The kernel log may say the same before anybody opens the library. */
const driverVersionMismatch: HostCheck = {
  id: 'driver_version_mismatch',
  evaluate(view) {
    if (view.driver.state === 'ok') return ok;
    if (!reasonOf(view).includes(versionMismatch)) return unknown;
    return { state: 'firing', reason: 'the driver library and the kernel module are of different versions' };
  },
};

/** Devices on the bus that the driver does not list and that were never seen: the known ones have conditions of their own. */
const gpuMissingOnNode: HostCheck = {
  id: 'gpu_missing',
  evaluate({ driver, host, knownPciAddresses, readings }) {
    if (driver.state !== 'ok') return unknown;
    if (host.pciDevices === null) return unknown;
    const missing = host.pciDevices.filter((address) => !knownPciAddresses.has(address));
    if (missing.length <= (readings.excludedDevices ?? 0)) return ok;
    return { state: 'firing', reason: `on the bus and not listed by the driver: ${missing.join(', ')}` };
  },
};

const ccNotReady: HostCheck = {
  id: 'cc_not_ready',
  evaluate({ driver, readings }, limit) {
    if (driver.state !== 'ok') return unknown;
    const { confidentialFeature, confidentialReady } = readings;
    if (confidentialFeature === null) return unsupported;
    if (confidentialFeature === 0) return ok;
    if (confidentialReady === null) return unknown;
    return confidentialReady === limit.level
      ? { state: 'firing', reason: 'confidential computing is on and the GPUs accept no work' }
      : ok;
  },
};

const pciAcs: HostCheck = {
  id: 'pci_acs',
  evaluate({ host }) {
    if (host.acsBridges === null) return unsupported;
    if (host.virtualMachine !== false || (host.pciDevices?.length ?? 0) < 2) return ok;
    return host.acsBridges.length > 0
      ? {
          state: 'firing',
          reason: `PCIe ACS source validation is on at ${host.acsBridges.length} bridges`,
        }
      : ok;
  },
};

const dState: HostCheck = {
  id: 'd_state',
  evaluate({ host }, { level }) {
    if (host.blockedProcesses === null) return unsupported;
    const stuck = host.blockedProcesses.filter(({ forMs }) => forMs > level * 1000);
    if (stuck.length === 0) return ok;
    const names = stuck.slice(0, 4).map(({ pid, name }) => `${name} (${pid})`);
    return { state: 'firing', reason: `processes hang in the driver: ${names.join(', ')}` };
  },
};

const clearMemoryRatio = 0.1;

const hostMemory: HostCheck = {
  id: 'host_memory',
  evaluate({ host }, limit) {
    const { memoryAvailableRatio: available, memoryPressureAvg60: pressure } = host;
    if (available === null) return unsupported;
    if (available < limit.level) return { state: 'firing', reason: 'host memory is nearly used up' };
    return (pressure ?? 0) > companion(limit, 'or_psi_full_avg60')
      ? { state: 'firing', reason: 'processes wait for host memory' }
      : ok;
  },
  clears: ({ host }, limit) =>
    (host.memoryAvailableRatio ?? 0) > clearMemoryRatio &&
    (host.memoryPressureAvg60 ?? 0) <= companion(limit, 'or_psi_full_avg60'),
};

const clearDiskRatio = 0.08;

const diskLow: HostCheck = {
  id: 'disk_low',
  evaluate({ host }, { level }) {
    const known = host.disks.filter(({ freeRatio }) => freeRatio !== null);
    if (known.length === 0) return unsupported;
    return {
      state: 'parts',
      parts: new Map<string, PartVerdict>(
        known.map(({ path, freeRatio }) => [
          `disk ${path}`,
          freeRatio! < level ? { state: 'firing', reason: `the disk of ${path} is nearly full` } : ok,
        ]),
      ),
    };
  },
  clears: ({ host }, _, part) =>
    (host.disks.find(({ path }) => part === `disk ${path}`)?.freeRatio ?? 0) > clearDiskRatio,
};

const peermemMissing: HostCheck = {
  id: 'peermem_missing',
  evaluate({ host }) {
    if (!host.rdmaPorts || host.peermemLoaded === null) return unsupported;
    return host.peermemLoaded || host.openKernelModule === true
      ? ok
      : { state: 'firing', reason: 'RDMA ports are there, and nvidia_peermem is not loaded' };
  },
};

const fabricManagerDown: HostCheck = {
  id: 'fabricmanager_down',
  evaluate({ host }) {
    if (host.nvswitchPresent !== true) return unsupported;
    if (host.fabricManagerRunning === null) return unknown;
    return host.fabricManagerRunning
      ? ok
      : { state: 'firing', reason: 'the board has NVSwitches, and fabric manager does not run' };
  },
};

const flapWindowMs = 12 * hourMs;
const portClearMs = 10 * minuteMs;

function byPort(view: HostView, judge: (name: string) => PartVerdict): Verdict {
  if (view.ports.size === 0) return unsupported;
  return {
    state: 'parts',
    parts: new Map([...view.ports.keys()].map((name) => [`port ${name}`, judge(name)])),
  };
}

/** Down for four minutes, or the third flap in twelve hours. */
const ibPortDown: HostCheck = {
  id: 'ib_port_down',
  clearAfterMs: portClearMs,
  evaluate: (view, limit) =>
    byPort(view, (name) => {
      const { downSinceMs, flapsAtMs } = view.ports.get(name)!;
      const downSeconds = downSinceMs === null ? 0 : (view.nowMs - downSinceMs) / 1000;
      if (downSeconds >= limit.level) return { state: 'firing', reason: `the RDMA port ${name} is down` };
      const flaps = flapsAtMs.filter((atMs) => view.nowMs - atMs < flapWindowMs);
      const fresh = view.nowMs - (flaps.at(-1) ?? Number.NEGATIVE_INFINITY) < portClearMs;
      return fresh && flaps.length >= companion(limit, 'or_flaps_12h')
        ? { state: 'firing', reason: `the RDMA port ${name} goes down and comes back again and again` }
        : downSinceMs === null
          ? ok
          : unknown;
    }),
  clears: (view, _, part) => view.ports.get(part?.slice('port '.length) ?? '')?.downSinceMs === null,
};

/** Configured: symbol errors per hour. */
const ibPortErrors: HostCheck = {
  id: 'ib_port_errors',
  clearAfterMs: hourMs,
  evaluate: (view, limit) =>
    byPort(view, (name) => {
      const growth = (counter: string, windowMs: number): number =>
        view.history.growth(`${name}/${counter}`, windowMs) ?? 0;
      const broken = portLimits(limit).find(
        ({ counter, windowMs, most }) => growth(counter, windowMs) > most,
      );
      return broken ? { state: 'firing', reason: `the RDMA port ${name}: ${broken.text}` } : ok;
    }),
};

function portLimits(limit: Limit): { counter: string; windowMs: number; most: number; text: string }[] {
  return [
    {
      counter: 'linkDowned',
      windowMs: minuteMs,
      most: tableValue(limit, 'link_downed_delta'),
      text: 'the link went down',
    },
    {
      counter: 'symbolErrors',
      windowMs: hourMs,
      most: limit.configured ?? tableValue(limit, 'symbol_error_per_h'),
      text: 'symbol errors',
    },
    {
      counter: 'linkErrorRecovery',
      windowMs: minuteMs,
      most: tableValue(limit, 'link_error_recovery_per_min'),
      text: 'the link recovers again and again',
    },
  ];
}

export const hostChecks: readonly HostCheck[] = [
  driverNotLoadedOnNode,
  driverVersionMismatch,
  gpuMissingOnNode,
  ccNotReady,
  pciAcs,
  dState,
  hostMemory,
  diskLow,
  peermemMissing,
  fabricManagerDown,
  ibPortDown,
  ibPortErrors,
];
