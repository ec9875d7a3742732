/**
 * Reads the host below a root directory (`/`, or a directory of a test): PCI, RDMA ports, memory, disks, processes. Nothing is
 * executed and nothing is written. A file that is not there or may not be read is `null`, never an exception. Reading costs
 * file reads only; the look at all processes and at PCI configuration space comes less often.
 */
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostReadings } from '../domain/host-readings.js';
import type { Clock } from '../runtime/clock.js';
import { PciBus, readAcsBridges } from './read-pci.js';
import { ProcessScan } from './scan-processes.js';
import { readRdmaPorts } from './read-rdma-ports.js';
import { exists, readText } from './read-text.js';

export interface HostReaderOptions {
  clock: Clock;
  /** Where /proc and /sys are. */
  root?: string;
  /** Paths whose file systems must not fill up. */
  diskPaths: readonly string[];
  /** Free and total blocks; for tests. */
  statDisk?: (path: string) => Promise<{ bavail: number; blocks: number }>;
}

const processesEachMs = 60_000;
/** The data's row: once a day. */
const acsEachMs = 86_400_000;

export class HostReader {
  readonly #options: Required<HostReaderOptions>;
  readonly #processes: ProcessScan;
  readonly #pci: PciBus;
  #processesAtMs = Number.NEGATIVE_INFINITY;
  #acsAtMs = Number.NEGATIVE_INFINITY;
  #acs: string[] | null = null;
  /** Read once: the text is long on hosts with many cores, and does not change. */
  #virtualMachine: boolean | null = null;

  constructor(options: HostReaderOptions) {
    this.#options = { root: '/', statDisk: statfs, ...options };
    this.#processes = new ProcessScan(this.#options.root);
    this.#pci = new PciBus(this.#options.root);
  }

  async read(): Promise<HostReadings> {
    const { clock, root } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#processesAtMs >= processesEachMs) {
      this.#processesAtMs = nowMs;
      await this.#processes.look(nowMs);
    }
    if (nowMs - this.#acsAtMs >= acsEachMs) {
      this.#acsAtMs = nowMs;
      this.#acs = await readAcsBridges(root);
    }
    return {
      takenAtMs: nowMs,
      pciDevices: await this.#pci.gpus(),
      acsBridges: this.#acs,
      virtualMachine: (this.#virtualMachine ??= flagOf(
        await readText(root, 'proc/cpuinfo'),
        /^flags\s*:.*\bhypervisor\b/m,
      )),
      memoryAvailableRatio: availableRatio(await readText(root, 'proc/meminfo')),
      memoryPressureAvg60: pressureOf(await readText(root, 'proc/pressure/memory')),
      disks: await Promise.all(this.#options.diskPaths.map((path) => this.#readDisk(path))),
      blockedProcesses: this.#processes.blocked(nowMs),
      rdmaPorts: await readRdmaPorts(root),
      peermemLoaded: await exists(root, 'sys/module/nvidia_peermem'),
      openKernelModule: flagOf(await readText(root, 'proc/driver/nvidia/version'), /Open Kernel Module/),
      nvswitchPresent: await exists(root, 'proc/driver/nvidia-nvswitch/devices'),
      fabricManagerRunning: await this.#fabricManagerRuns(),
    };
  }

  async #readDisk(path: string): Promise<{ path: string; freeRatio: number | null }> {
    try {
      const { bavail, blocks } = await this.#options.statDisk(path);
      return { path, freeRatio: blocks > 0 ? bavail / blocks : null };
    } catch {
      return { path, freeRatio: null };
    }
  }

  /** By its cgroup, as systemd makes one; else by its process, where the host's processes can be seen. */
  async #fabricManagerRuns(): Promise<boolean | null> {
    const unit = join('sys/fs/cgroup/system.slice/nvidia-fabricmanager.service', 'cgroup.procs');
    const processes = await readText(this.#options.root, unit);
    if (processes !== null && processes.trim() !== '') return true;
    return this.#processes.runs('nv-fabricmanage');
  }
}

function flagOf(text: string | null, pattern: RegExp): boolean | null {
  return text === null ? null : pattern.test(text);
}

function availableRatio(meminfo: string | null): number | null {
  const total = Number(/^MemTotal:\s+(\d+)/m.exec(meminfo ?? '')?.[1]);
  const available = Number(/^MemAvailable:\s+(\d+)/m.exec(meminfo ?? '')?.[1]);
  return total > 0 && available >= 0 ? available / total : null;
}

function pressureOf(text: string | null): number | null {
  const value = /^full .*\bavg60=([\d.]+)/m.exec(text ?? '')?.[1];
  return value === undefined ? null : Number(value);
}
