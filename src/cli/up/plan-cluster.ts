import { accessSync, constants, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { stringify } from 'yaml';
import { createSimulatedNode, type DriverProfileName } from '../../sim/gpu-scenario.js';
import { kernelLogFile } from '../../sim/kernel-log.js';
import { selfCommand } from './member-process.js';

export interface UpOptions {
  nodes: number;
  gpus: number;
  engines: number;
  model?: string;
  gateway: string;
  profile: string;
  driver: DriverProfileName;
  seed: number;
  simulate: boolean;
}

export interface PlannedNode {
  name: string;
  directory: string;
  configFile: string;
  /** Scenario of the simulated GPUs, or `null` on real ones. */
  scenarioFile: string | null;
  config: Record<string, unknown>;
}

export const defaultModel = 'meta-llama/Llama-3.1-8B-Instruct';

/** The driver's own marks; NVML itself is opened by the agent, never here. */
export function hasNvidiaDriver(): boolean {
  return existsSync('/proc/driver/nvidia/version') || existsSync('/dev/nvidiactl');
}

/** GPUs of a simulated node that is not told otherwise. */
const simulatedGpus = 4;

/** How many GPUs a node has when nobody says: on real ones what the driver lists, at least one. */
export function gpusPerNode({ simulate }: { simulate: boolean }, proc = '/proc/driver/nvidia/gpus'): number {
  if (simulate || !hasNvidiaDriver()) return simulatedGpus;
  return Math.max(1, existsSync(proc) ? readdirSync(proc).length : 1);
}

export function findOnPath(program: string, path = process.env['PATH'] ?? ''): string | null {
  for (const directory of path.split(delimiter)) {
    const file = join(directory, program);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not here; look on.
    }
  }
  return null;
}

/** Writes one directory with an agent configuration per node: real GPUs where there is a driver, else simulated ones. */
export function planNodes(directory: string, options: UpOptions): PlannedNode[] {
  const simulated = options.simulate || !hasNvidiaDriver();
  const count = simulated ? options.nodes : 1;
  return Array.from({ length: count }, (_, index) => {
    const node = { name: `node-${index}`, directory: join(directory, 'nodes', `node-${index}`) };
    mkdirSync(node.directory, { recursive: true, mode: 0o700 });
    return simulated ? planSimulatedNode(node, index, options) : planRealNode(node, options);
  });
}

function planSimulatedNode(
  node: { name: string; directory: string },
  index: number,
  options: UpOptions,
): PlannedNode {
  const gpuDirectory = join(node.directory, 'gpu');
  const { libraryPath } = createSimulatedNode(gpuDirectory, {
    gpus: options.gpus,
    profile: options.profile,
    driver: options.driver,
    seed: options.seed + index,
  });
  const perEngine = Math.max(1, Math.floor(options.gpus / options.engines));
  const template = {
    model: options.model ?? defaultModel,
    command: [...selfCommand(), 'sim', 'engine'],
    args: ['--tensor-parallel-size', String(perEngine), '--max-model-len', '131072'],
    env: { INFERNODE_SIM_NODE_DIR: gpuDirectory, INFERNODE_SIM_SEED: String(options.seed + index) },
    gpus: perEngine,
    stopGraceMs: 5000,
  };
  return writeNode(node, join(gpuDirectory, 'scenario.json'), {
    // Nothing that a simulated node tells is real, and the machine's own kernel log is not its.
    nvml: { library: libraryPath, drill: true },
    kmsg: { path: join(gpuDirectory, kernelLogFile) },
    templates: { chat: template },
    engines: enginesOn(options.engines, perEngine),
  });
}

function planRealNode(node: { name: string; directory: string }, options: UpOptions): PlannedNode {
  const vllm = findOnPath('vllm');
  const runs = options.model !== undefined && vllm !== null;
  const perEngine = Math.max(1, Math.floor(options.gpus / options.engines));
  const template = {
    model: options.model,
    command: [vllm],
    args: ['--tensor-parallel-size', String(perEngine)],
    gpus: perEngine,
  };
  return writeNode(
    node,
    null,
    runs ? { templates: { chat: template }, engines: enginesOn(options.engines, perEngine) } : {},
  );
}

function enginesOn(engines: number, perEngine: number): Record<string, unknown>[] {
  return Array.from({ length: engines }, (_, engine) => ({
    id: `engine-${engine}`,
    template: 'chat',
    devices: Array.from({ length: perEngine }, (_, device) => engine * perEngine + device),
  }));
}

function writeNode(
  node: { name: string; directory: string },
  scenarioFile: string | null,
  parts: Record<string, unknown>,
): PlannedNode {
  const planned: PlannedNode = {
    ...node,
    scenarioFile,
    configFile: join(node.directory, 'agent.yaml'),
    config: {
      node: { name: node.name, machineId: `up-${node.name}` },
      stateDir: join(node.directory, 'state'),
      listen: { control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' },
      ...parts,
    },
  };
  writeConfig(planned.configFile, planned.config);
  return planned;
}

export function writeConfig(file: string, config: unknown): void {
  writeFileSync(file, stringify(config), { mode: 0o600 });
}
