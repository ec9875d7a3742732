/** A plan for the devices that a node really has: the largest group of equal GPUs. */
import type { DeviceStatus } from '../../domain/device.js';
import type { NodePlan, PlanWish } from '../../domain/engine-plan.js';
import { InfernodeError } from '../../domain/error-codes.js';
import { gpuProfiles, type GpuProfile } from '../../domain/gpu-profiles.js';
import type { EngineInputs } from '../engine-inputs.js';
import type { VllmProgram } from '../vllm-program.js';
import { findModel } from './model-catalogue.js';
import { planEngine } from './plan-engine.js';
import { vllmCommandFor } from './vllm-command.js';

const profiles: readonly GpuProfile[] = Object.values(gpuProfiles);

export interface NodeToPlanFor {
  devices: readonly DeviceStatus[];
  program: VllmProgram;
  batchSizeCounts: readonly number[] | null;
  inputs: Pick<EngineInputs, 'hasNvlink' | 'isSplit' | 'heartbeatBytes'>;
}

/** Throws `argument-invalid` for a model or a dtype that does not fit, and for GPUs without a profile. */
export function planForNode(node: NodeToPlanFor, wish: PlanWish): NodePlan {
  const { program, batchSizeCounts, inputs } = node;
  const { gpu, uuids, others } = largestGroup(node);
  const nvlinkGpus = joined(gpu, uuids, inputs);
  const plan = planEngine({
    model: findModel(wish.model),
    gpu,
    gpusPerNode: uuids.length,
    ...(nvlinkGpus === null ? {} : { nvlinkGpus }),
    probeBytes: inputs.heartbeatBytes,
    nodes: 1,
    weightBits: wish.weightBits || null,
    kvCacheDtype: wish.kvCacheDtype || null,
    sequences: wish.sequences || 32,
    contextTokens: wish.contextTokens || 8192,
    ...(batchSizeCounts ? { batchSizeCounts } : {}),
  });
  const { argv, env, notes } = vllmCommandFor(plan, program);
  const left = others.length > 0 ? [`left out, an engine wants equal GPUs: ${others.join(', ')}`] : [];
  return { ...plan, command: argv, env, notes: [...plan.notes, ...left, ...notes] };
}

/**
 * How many GPUs NVLink joins, or `null` where that is not known or all are. NVML tells which GPUs have active links; whom these reach
 * follows from the product: a switch or a mesh joins all, a bridge two.
 */
function joined(
  gpu: GpuProfile,
  uuids: readonly string[],
  { hasNvlink }: Pick<EngineInputs, 'hasNvlink'>,
): number | null {
  const linked = uuids.filter((uuid) => hasNvlink(uuid) === true).length;
  const unlinked = uuids.filter((uuid) => hasNvlink(uuid) === false).length;
  if (gpu.nvlink === 'pairs') return linked >= 2 ? 2 : null;
  return gpu.nvlink === 'all' && unlinked > 0 ? Math.max(1, uuids.length - unlinked) : null;
}

function largestGroup({ devices, inputs }: NodeToPlanFor): {
  gpu: GpuProfile;
  uuids: string[];
  others: string[];
} {
  const identities = devices.map(({ identity }) => identity);
  const whole = identities.filter(({ uuid }) => !inputs.isSplit(uuid));
  const [largest] = profiles
    .map((gpu) => ({ gpu, uuids: whole.flatMap(({ name, uuid }) => (name === gpu.name ? [uuid] : [])) }))
    .sort((a, b) => b.uuids.length - a.uuids.length);
  const describe = ({ index, name, uuid }: (typeof identities)[number]): string =>
    `GPU ${index} (${name}${inputs.isSplit(uuid) ? ', split by MIG' : ''})`;
  if (largest && largest.uuids.length > 0) {
    const others = identities.filter(({ uuid }) => !largest.uuids.includes(uuid)).map(describe);
    return { ...largest, others };
  }
  throw new InfernodeError(
    'argument-invalid',
    `no plan for the GPUs of this node (${identities.map(describe).join(', ') || 'none'}); known, whole ones: ${profiles.map(({ name }) => name).join(', ')}; for a MIG instance or another GPU: infernode plan --gpu-memory`,
  );
}
