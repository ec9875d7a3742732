/** A plan for the devices that a node really has: the largest group of equal GPUs. */
import type { DeviceStatus } from '../../domain/device.js';
import type { NodePlan, PlanWish } from '../../domain/engine-plan.js';
import { InfernodeError } from '../../domain/error-codes.js';
import { gpuProfiles, type GpuProfile } from '../../domain/gpu-profiles.js';
import type { VllmProgram } from '../vllm-program.js';
import { findModel } from './model-catalogue.js';
import { defaultProbeBytes, planEngine } from './plan-engine.js';
import { vllmCommandFor } from './vllm-command.js';

const profiles: readonly GpuProfile[] = Object.values(gpuProfiles);

/** Throws `argument-invalid` for a model or a dtype that does not fit, and for GPUs without a profile. */
export function planForNode(
  devices: readonly DeviceStatus[],
  wish: PlanWish,
  program: VllmProgram,
  batchSizeCounts: readonly number[] | null,
  hasNvlink: (uuid: string) => boolean | null = () => null,
): NodePlan {
  const { gpu, uuids } = largestGroup(devices);
  const unlinked = uuids.filter((uuid) => hasNvlink(uuid) === false).length;
  const plan = planEngine({
    model: findModel(wish.model),
    gpu,
    gpusPerNode: uuids.length,
    // NVML tells which GPUs have active links, not whom they reach: GPUs joined in pairs only count as one domain here.
    ...(gpu.nvlink && unlinked > 0 ? { nvlinkGpus: Math.max(1, uuids.length - unlinked) } : {}),
    probeBytes: defaultProbeBytes,
    nodes: 1,
    weightBits: wish.weightBits || null,
    kvCacheDtype: wish.kvCacheDtype || null,
    sequences: wish.sequences || 32,
    contextTokens: wish.contextTokens || 8192,
    ...(batchSizeCounts ? { batchSizeCounts } : {}),
  });
  const { argv, env, notes } = vllmCommandFor(plan, program);
  return { ...plan, command: argv, env, notes: [...plan.notes, ...notes] };
}

function largestGroup(devices: readonly DeviceStatus[]): { gpu: GpuProfile; uuids: string[] } {
  const identities = devices.map(({ identity }) => identity);
  const [largest] = profiles
    .map((gpu) => ({ gpu, uuids: identities.flatMap(({ name, uuid }) => (name === gpu.name ? [uuid] : [])) }))
    .sort((a, b) => b.uuids.length - a.uuids.length);
  if (largest && largest.uuids.length > 0) return largest;
  const names = [...new Set(devices.map(({ identity }) => identity.name))].join(', ');
  throw new InfernodeError(
    'argument-invalid',
    `no plan for the GPUs of this node (${names || 'none'}); known: ${profiles.map(({ name }) => name).join(', ')}`,
  );
}
