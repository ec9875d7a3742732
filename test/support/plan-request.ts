import { gpuProfiles, type GpuProfileName } from '../../src/domain/gpu-profiles.js';
import { findModel } from '../../src/engine/plan/model-catalogue.js';
import type { PlanRequest } from '../../src/engine/plan/plan-engine.js';

/** 32 sequences of 8,192 tokens on one node of eight GPUs. */
export function aPlanRequest(
  model: string,
  over: Partial<Omit<PlanRequest, 'model' | 'gpu'>> & { gpu?: GpuProfileName } = {},
): PlanRequest {
  const { gpu = 'H100-80', ...rest } = over;
  return {
    model: findModel(model),
    gpu: gpuProfiles[gpu],
    gpusPerNode: 8,
    nodes: 1,
    weightBits: null,
    kvCacheDtype: null,
    sequences: 32,
    contextTokens: 8192,
    ...rest,
  };
}
