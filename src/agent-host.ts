/**
 * Feeds health with what no sample says: readings of the host, and what the engines do. Once per interval, one reading at a
 * time: a file system that hangs delays the next reading and nothing else.
 */
import type { EngineFleetPart } from './agent-parts.js';
import type { NodeSample } from './domain/device.js';
import type { EngineStatus } from './domain/engine.js';
import type { EngineWork, Workload } from './domain/workload.js';
import type { DeviceHealthTracker } from './health/device-health.js';
import { readCommand, seesHostPids } from './node/host-pids.js';
import { HostReader } from './node/read-host.js';
import type { Clock, Timer } from './runtime/clock.js';
import type { Logger } from './runtime/logger.js';

export interface HostWatchOptions {
  clock: Clock;
  logger: Logger;
  health: Pick<DeviceHealthTracker, 'handleHost' | 'handleWorkload'>;
  fleet: Pick<EngineFleetPart, 'list' | 'engineOf' | 'stillForMs'>;
  latestSample: () => NodeSample | null;
  diskPaths: readonly string[];
  /** Last results of short probes, by device. */
  probes: () => Workload['probes'];
  pods?: () => ReadonlyMap<string, readonly string[]>;
}

/** The shortest interval of the host's checks in the data is 10 s. */
const intervalMs = 10_000;
/** Strangers whose command is looked up per reading. */
const maxCommands = 64;

export class HostWatch {
  readonly #options: HostWatchOptions;
  readonly #reader: HostReader;
  readonly #seesHostPids = seesHostPids();
  #timer: Timer | null = null;
  #reading = false;

  constructor(options: HostWatchOptions) {
    this.#options = options;
    this.#reader = new HostReader(options);
  }

  start(): void {
    this.#timer ??= this.#options.clock.every(intervalMs, () => void this.look());
    void this.look();
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  async look(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    const { health, logger } = this.#options;
    try {
      health.handleHost(await this.#reader.read());
      health.handleWorkload(await this.#workload());
    } catch (error) {
      logger.error({ err: error }, 'the host could not be read');
    } finally {
      this.#reading = false;
    }
  }

  async #workload(): Promise<Workload> {
    const { fleet, latestSample, probes, pods } = this.#options;
    const holders = latestSample()?.devices.flatMap(({ processes }) => processes ?? []) ?? [];
    const pids = [...new Set(holders.map(({ pid }) => pid))];
    const owned = new Map(pids.map((pid) => [pid, fleet.engineOf(pid)?.engineId ?? null]));
    const engines = fleet.list().map((engine) => this.#workOf(engine, owned));
    const own = new Set(engines.flatMap((engine) => engine.pids));
    const commands = new Map<number, string>();
    for (const pid of pids.filter((pid) => !own.has(pid)).slice(0, maxCommands)) {
      const command = await readCommand(pid);
      if (command !== null) commands.set(pid, command);
    }
    return {
      ...{ engines, commands, lookedUp: new Set(pids), probes: probes(), seesHostPids: this.#seesHostPids },
      ...(pods ? { pods: pods() } : {}),
    };
  }

  #workOf(
    { id, deviceUuids, pid, state, load, lastDeath }: EngineStatus,
    owned: ReadonlyMap<number, string | null>,
  ): EngineWork {
    const pids = [...owned].flatMap(([holder, engineId]) => (engineId === id ? [holder] : []));
    const sick = state !== 'ready' && lastDeath?.cause === 'cuda-error' ? lastDeath.reason : null;
    return {
      engineId: id,
      deviceUuids,
      pids: pid === null ? pids : [...new Set([...pids, pid])],
      running: load?.running ?? 0,
      waiting: load?.waiting ?? 0,
      tokenAgeMs: this.#options.fleet.stillForMs?.(id) ?? null,
      cudaError: sick === null ? null : cudaErrorOf(sick),
      stepSeconds: null,
    };
  }
}

/** Names that the CUDA runtime and PyTorch print, by the number of the data's row. */
const cudaErrors: [RegExp, number][] = [
  [/devices? (?:is|are) busy|cudaErrorDevicesUnavailable/i, 46],
  [/no CUDA-capable device/i, 100],
  [/uncorrectable (?:ECC|NVLink)? ?error/i, 214],
  [/system not (?:yet )?initialized/i, 802],
  [/system has unsupported display driver|driver combination/i, 803],
  [/illegal memory access/i, 700],
  [/unspecified launch failure|launch failed/i, 719],
];

function cudaErrorOf(text: string): { code: number; text: string } {
  const number = /CUDA error(?: code)?:? (\d{1,4})\b/i.exec(text)?.[1];
  const code =
    number === undefined ? cudaErrors.find(([pattern]) => pattern.test(text))?.[1] : Number(number);
  return { code: code ?? 999, text };
}
