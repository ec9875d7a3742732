/** A plan for the devices that a node really has: the largest group of equal GPUs. */
import type { DeviceStatus } from '../../domain/device.js';
import type { NodePlan, PlanWish } from '../../domain/engine-plan.js';
import { InfernodeError } from '../../domain/error-codes.js';
import { gpuProfiles, type GpuProfile } from '../../domain/gpu-profiles.js';
import type { VllmProgram } from '../vllm-program.js';
import { findModel } from './model-catalogue.js';
import { planEngine } from './plan-engine.js';
import { vllmCommandFor } from './vllm-command.js';

const profiles: readonly GpuProfile[] = Object.values(gpuProfiles);

/** Throws `argument-invalid` for a model or a dtype that does not fit, and for GPUs without a profile. */
export function planForNode(
  devices: readonly DeviceStatus[],
  wish: PlanWish,
  program: VllmProgram,
  batchSizeCounts: readonly number[] | null,
): NodePlan {
  const { gpu, count } = largestGroup(devices);
  const plan = planEngine({
    model: findModel(wish.model),
    gpu,
    gpusPerNode: count,
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

function largestGroup(devices: readonly DeviceStatus[]): { gpu: GpuProfile; count: number } {
  const groups = profiles
    .map((gpu) => ({ gpu, count: devices.filter(({ identity }) => identity.name === gpu.name).length }))
    .sort((a, b) => b.count - a.count);
  const [largest] = groups;
  if (largest && largest.count > 0) return largest;
  const names = [...new Set(devices.map(({ identity }) => identity.name))].join(', ');
  throw new InfernodeError(
    'argument-invalid',
    `no plan for the GPUs of this node (${names || 'none'}); known: ${profiles.map(({ name }) => name).join(', ')}`,
  );
}
