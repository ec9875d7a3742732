import { readdirSync, readFileSync, statSync, watch, watchFile, unwatchFile } from 'node:fs';
import { join } from 'node:path';
import { readStartTime } from './process-file.js';

const mib = 1024 * 1024;

/** Total memory as NVML reports it, by the profile's name; the simulated library has the same figures. */
const totalMib: Readonly<Record<string, number>> = {
  'A100-40': 40_960,
  'A100-80': 81_920,
  'H100-80': 81_559,
  'H200-141': 143_771,
  'B200-180': 183_359,
  L4: 23_034,
  L40S: 46_068,
};

interface ScenarioDevice {
  profile: string;
  uuid: string;
  lost?: boolean;
  set?: Record<string, unknown>;
}

export interface Scenario {
  devices: ScenarioDevice[];
  events: { seq: number; device: number; type: string; code?: number }[];
}

export interface GpuDevice {
  index: number;
  uuid: string;
  profile: string;
  totalBytes: number;
  lost: boolean;
}

/** The simulated node's directory, read as a process on that node would see its GPUs. */
export class GpuNode {
  constructor(readonly directory: string) {}

  /** Null when the file is missing or broken: the caller keeps what it knew. */
  readScenario(): Scenario | null {
    try {
      const raw = JSON.parse(
        readFileSync(join(this.directory, 'scenario.json'), 'utf8'),
      ) as Partial<Scenario>;
      return Array.isArray(raw.devices) ? { devices: raw.devices, events: raw.events ?? [] } : null;
    } catch {
      return null;
    }
  }

  /** Devices that CUDA_VISIBLE_DEVICES names, in its order: UUIDs (or their beginnings) and indices; all when unset. */
  visibleDevices(visible: string | undefined): GpuDevice[] {
    const devices = (this.readScenario()?.devices ?? []).map(toDevice);
    if (visible === undefined) return devices;
    const chosen: GpuDevice[] = [];
    for (const word of visible.split(',').map((text) => text.trim())) {
      const device = /^\d+$/.test(word)
        ? devices[Number(word)]
        : devices.find(({ uuid }) => word !== '' && uuid.startsWith(word));
      if (!device) break; // CUDA ignores everything behind the first name it does not know.
      chosen.push(device);
    }
    return chosen;
  }

  /** Bytes that live processes (and those whose memory is still being given back) hold on a device. */
  usedBytes(uuid: string): number {
    let used = 0;
    for (const { pid, startTime, releaseDelayMs, devices } of this.#processes()) {
      const alive = readStartTime(pid) === startTime;
      if (alive || releaseDelayMs > 0)
        for (const device of devices) if (device.uuid === uuid) used += device.bytes;
    }
    return used;
  }

  /** Calls back after each change of the scenario; the watch keeps nothing alive. */
  watch(changed: () => void): () => void {
    const file = join(this.directory, 'scenario.json');
    let stop: () => void = () => undefined;
    const poll = (): void => {
      watchFile(file, { interval: 100, persistent: false }, changed);
      stop = () => unwatchFile(file, changed);
    };
    try {
      // The directory, not the file: an atomic rename replaces the file that a watch on it would hold.
      const watcher = watch(this.directory, { persistent: false }, (_event, name) => {
        if (name === null || name === 'scenario.json') changed();
      });
      stop = () => watcher.close();
      watcher.on('error', poll);
    } catch {
      poll(); // No inotify watch left on this machine.
    }
    return () => stop();
  }

  #processes(): ProcessFile[] {
    const folder = join(this.directory, 'processes');
    try {
      statSync(folder);
      return readdirSync(folder).flatMap((name) =>
        name.endsWith('.json') ? readProcess(join(folder, name)) : [],
      );
    } catch {
      return [];
    }
  }
}

interface ProcessFile {
  pid: number;
  startTime: string;
  releaseDelayMs: number;
  devices: { uuid: string; bytes: number }[];
}

function readProcess(file: string): ProcessFile[] {
  try {
    const raw = JSON.parse(readFileSync(file, 'utf8')) as Partial<ProcessFile>;
    if (typeof raw.pid !== 'number' || !Array.isArray(raw.devices)) return [];
    return [
      {
        pid: raw.pid,
        startTime: String(raw.startTime),
        releaseDelayMs: raw.releaseDelayMs ?? 0,
        devices: raw.devices,
      },
    ];
  } catch {
    return []; // Half written or just removed; the next look tells.
  }
}

function toDevice({ profile, uuid, lost, set }: ScenarioDevice, index: number): GpuDevice {
  const override = set?.['memoryTotalBytes'];
  const totalBytes =
    typeof override === 'number' ? override : (totalMib[profile] ?? totalMib['H100-80']!) * mib;
  return { index, uuid, profile, totalBytes, lost: lost === true };
}
