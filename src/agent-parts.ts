/** The two parts of the agent that own processes, as `agent.ts` sees them, and how the real ones are made. */
import { join } from 'node:path';
import type { Registry } from 'prom-client';
import type { AgentConfig } from './config/agent-config.js';
import type { DeviceEvent, DeviceProcess, DeviceStatus, DriverState, NodeSample } from './domain/device.js';
import type { EngineStatus } from './domain/engine.js';
import { DeviceMetrics } from './device/device-metrics.js';
import { DeviceSampler } from './device/sample-devices.js';
import type { KernelNews } from './device/sampler-news.js';
import { EngineFleet } from './engine/engine-fleet.js';
import { EngineMetrics } from './engine/engine-metrics.js';
import { defaultProbeBytes } from './engine/plan/plan-engine.js';
import type { FoundEngine } from './engine/attached-engines.js';
import type { Fault } from './domain/health.js';
import { kernelLogWords } from './health/kernel-patterns.js';
import type { WorkInFlight } from './domain/work.js';
import { nativePath } from './native/native-paths.js';
import type { EngineControl } from './node/engine-calls.js';
import type { Clock } from './runtime/clock.js';
import { seesHostPids } from './runtime/process-identity.js';
import type { Logger } from './runtime/logger.js';

export interface SamplerPart {
  /** `null` before the first sample. */
  latest?(): NodeSample | null;
  onSample(callback: (sample: NodeSample) => void): void;
  onEvent(callback: (event: DeviceEvent) => void): void;
  onKernelLog(callback: (news: KernelNews) => void): void;
  /** Reads everything anew, process lists too. */
  sampleNow(): Promise<NodeSample | null>;
  /** Closes NVML until `acquire`; throws when the driver is still held. */
  release(): Promise<void>;
  acquire(): Promise<DriverState>;
  start(): Promise<void>;
  close(): Promise<void>;
  destroy(reason: string): void;
}

export interface EngineFleetPart extends EngineControl {
  list(): EngineStatus[];
  /** The supervised engine that a process belongs or belonged to. */
  engineOf(pid: number): { engineId: string; deviceUuids: readonly string[] } | null;
  /** How long an engine has had work without making a step; `null`: not known. */
  stillForMs?(engineId: string): number | null;
  onChange(callback: () => void): void;
  applyDeviceStatus(devices: DeviceStatus[]): void;
  applyFault(fault: Fault): void;
  updateTemplates(templates: AgentConfig['templates']): void;
  /** Attached engines that come and go: these and no others. */
  attached?: { update(engines: readonly FoundEngine[]): void };
  start(): Promise<void>;
  close(options: { stopEngines: boolean }): Promise<void>;
}

export interface SamplerOptions {
  config: AgentConfig;
  clock: Clock;
  logger: Logger;
  registry: Registry;
}

export interface EngineFleetPartOptions extends SamplerOptions {
  bootId: string;
  sampler: Pick<SamplerPart, 'sampleNow' | 'latest'>;
  devices: () => readonly DeviceStatus[];
  /** Live leases on an engine, as coordinators report them. */
  workInFlight?: (engineId: string) => WorkInFlight[];
  /** `null`: nobody beats on the device. */
  heartbeatMissed?: (deviceUuid: string) => boolean | null;
  /** Why a device should take no engine now; `null`: nothing speaks against it. */
  preflight?: (deviceUuid: string) => Promise<string | null>;
}

export interface AgentParts {
  createSampler(options: SamplerOptions): SamplerPart;
  createFleet(options: EngineFleetPartOptions): EngineFleetPart;
}

export function createAgentParts(): AgentParts {
  return { createSampler, createFleet };
}

function createSampler({ config, clock, logger, registry }: SamplerOptions): SamplerPart {
  const metrics = new DeviceMetrics(registry, config.node.name);
  if (config.metrics.dcgmNames) metrics.offerDcgmNames(registry);
  return new DeviceSampler({
    libraryPath: config.nvml.library,
    runDir: join(config.stateDir, 'run'),
    intervalMs: config.nvml.sampleIntervalMs,
    callDeadlineMs: config.nvml.callDeadlineMs,
    kmsg: config.kmsg.path === null ? null : { path: config.kmsg.path, match: kernelLogWords },
    drill: config.nvml.drill,
    clock,
    logger,
    metrics,
  });
}

function createFleet(options: EngineFleetPartOptions): EngineFleetPart {
  const { config, clock, logger, registry, bootId, sampler, devices, workInFlight } = options;
  const { heartbeatMissed, preflight } = options;
  return new EngineFleet({
    nodeName: config.node.name,
    templates: config.templates,
    engines: config.engines,
    stateDir: config.stateDir,
    clock,
    logger,
    metrics: new EngineMetrics(registry, config.node.name),
    keeperPath: nativePath('infernode-keeper'),
    seesHostPids: seesHostPids(),
    bootId,
    resolveDevice: (ref) => resolveDevice(devices(), ref),
    freeDevices: () =>
      devices()
        .filter(({ health, cordons }) => health === 'healthy' && cordons.length === 0)
        .map(({ identity }) => identity.uuid),
    inputs: {
      workOn: (engineId) => workInFlight?.(engineId) ?? [],
      hasNvlink: (uuid) => hasNvlink(sampler.latest?.() ?? null, uuid),
      isSplit: (uuid) => isSplit(sampler.latest?.() ?? null, uuid),
      heartbeatBytes: config.health.probe.heartbeat === 'on' ? defaultProbeBytes : 0,
      heartbeatMissed: (uuid) => heartbeatMissed?.(uuid) ?? null,
      ...(preflight && { preflight }),
    },
    devicesReleased: (uuids, pids) => areDevicesReleased(sampler, uuids, pids),
  });
}

/** `null` before the links have been read, and for a part that does not tell. */
export function hasNvlink(sample: NodeSample | null, uuid: string): boolean | null {
  const links = sample?.devices.find(({ identity }) => identity.uuid === uuid)?.parts.links;
  return links?.some(({ active }) => active === 1) ?? null;
}

/** MIG mode on: its instances are devices of their own. */
function isSplit(sample: NodeSample | null, uuid: string): boolean {
  return sample?.devices.find(({ identity }) => identity.uuid === uuid)?.details.migMode === 1;
}

/** UUID by UUID or index. A missing device keeps its old index, so that one that is listed and well goes first. */
export function resolveDevice(devices: readonly DeviceStatus[], ref: string): string | null {
  const isMissing = ({ conditions }: DeviceStatus): boolean =>
    conditions.some(({ check }) => check === 'gpu_missing');
  const named = devices.filter(({ identity }) => identity.uuid === ref || String(identity.index) === ref);
  return (named.find((device) => !isMissing(device)) ?? named[0])?.identity.uuid ?? null;
}

/**
 * Memory that no listed process accounts for. The driver takes a dead process off its list before it has given back what the
 * process held, and lists none at all under vGPU and in other pid namespaces, so that a list without our pids proves nothing
 * by itself. 1 GiB is the level of the data's `orphan_memory` check.
 */
const nearlyFreeBytes = 1024 ** 3;

/** Proven by a reading taken after the question, or not proven (design decision 4). */
export async function areDevicesReleased(
  sampler: Pick<SamplerPart, 'sampleNow'>,
  uuids: readonly string[],
  pids: readonly number[],
): Promise<boolean> {
  const sample = await sampler.sampleNow();
  return uuids.every((uuid) => {
    const device = sample?.devices.find(({ identity }) => identity.uuid === uuid);
    if (!device || device.error) return false;
    const { processes, reading } = device;
    if (processes?.some(({ pid }) => pids.includes(pid))) return false;
    // A part that does not tell its memory (unified memory) has only the list to offer.
    if (reading.memoryUsedBytes === null) return processes !== null;
    return reading.memoryUsedBytes - accountedBytes(processes ?? []) < nearlyFreeBytes;
  });
}

/** What others hold; everything where one of them does not tell. */
function accountedBytes(processes: readonly DeviceProcess[]): number {
  return processes.reduce((sum, { memoryBytes }) => sum + (memoryBytes ?? Number.POSITIVE_INFINITY), 0);
}
