import type { GpuProfile } from '../../domain/gpu-profiles.js';
import { InfernodeError } from '../../domain/error-codes.js';
import { chooseAttentionBackend } from './attention-backend.js';
import { candidateDtypes, supportedDtypes } from './choose-kv-dtype.js';
import {
  budgetOf,
  contextOf,
  defaultBatchedTokens,
  kvTokens,
  maxSequencesCap,
  plannedSizes,
  weightBitsOf,
} from './engine-budget.js';
import { kvBytesPerToken, kvDtype, type KvDtype } from './kv-size.js';
import { defaultMemoryUtilization, type MemoryBudget, type Parallelism } from './memory-budget.js';
import type { ModelShape } from './model-shape.js';
import { enginesThatFit, gpusOf, loadsAtAll, nodesOf, servesTarget, smallestThat } from './parallel-sizes.js';
import { cannotFit, notesFor } from './plan-notes.js';

/** A CUDA context takes 300 to 500 MiB by driver and GPU; not measured by us. */
export const defaultProbeBytes = 512 * 1024 ** 2;

export interface PlanRequest {
  model: ModelShape;
  gpu: GpuProfile;
  gpusPerNode: number;
  nodes: number;
  /** Bits per weight; the checkpoint's own when `null`. */
  weightBits: number | null;
  /** A dtype of `kvDtypes`, or `null` to let the plan choose. */
  kvCacheDtype: string | null;
  /** What it must serve at once. */
  sequences: number;
  contextTokens: number;
  memoryUtilization?: number;
  /** GPUs that NVLink joins within a node; all of them unless said otherwise. */
  nvlinkGpus?: number;
  /** Batch sizes really seen (`counts[n]` looks met n requests); CUDA graphs are planned for them. */
  batchSizeCounts?: readonly number[];
  /** Reserved for the active probe, bytes per GPU. */
  probeBytes?: number;
}

export interface EnginePlan {
  model: string;
  gpu: string;
  tensorParallelSize: number;
  pipelineParallelSize: number;
  gpus: number;
  weightBits: number;
  /** Value for `--quantization` when the checkpoint's own weights are wider than planned; `null` otherwise. */
  quantizationFlag: string | null;
  kvCacheDtype: string;
  kvCacheQuality: string;
  /** Bytes per token over the whole model, scales included, for every KV dtype that fits model and GPU. */
  kvBytesPerToken: Record<string, number>;
  kvBytesPerTokenBeforeScales: Record<string, number>;
  kvCacheTokens: number;
  gpuMemoryUtilization: number;
  /** The same cache as bytes per GPU, for `--kv-cache-memory-bytes`. */
  kvCacheMemoryBytes: number;
  maxModelLen: number;
  maxNumSeqs: number;
  maxNumBatchedTokens: number;
  cudagraphCaptureSizes: number[];
  attentionBackend: string;
  /** Why this back end, such as `FlashAttention 3 on Hopper`. */
  attentionReason: string;
  /** Per GPU; see `MemoryBudget` for what is estimated. */
  memory: MemoryBudget;
  smallestThatLoads: Parallelism | null;
  smallestThatServes: Parallelism | null;
  /** Nodes that one engine spans. */
  nodes: number;
  /** Engines of this size that fit on the nodes side by side. */
  enginesThatFit: number;
  notes: string[];
}

/**
 * Plans one engine: the smallest tensor and pipeline parallel sizes that serve `sequences` of `contextTokens`, with the
 * 16-bit KV cache first and fp8 where only that fits. Throws `argument-invalid` with the reason and the nearest thing
 * that would fit.
 */
export function planEngine(request: PlanRequest): EnginePlan {
  const dtypes = candidateDtypes(request);
  const [first = kvDtype('auto')] = dtypes;
  const loads = smallestThat(loadsAtAll, request, first);
  for (const dtype of dtypes) {
    const serves = smallestThat(servesTarget, request, dtype);
    if (serves) return describe(request, dtype, serves, loads, serves);
  }
  if (loads) return describe(request, first, loads, loads, null);
  throw new InfernodeError('argument-invalid', cannotFit(request, first));
}

function describe(
  request: PlanRequest,
  dtype: KvDtype,
  parallelism: Parallelism,
  loads: Parallelism | null,
  serves: Parallelism | null,
): EnginePlan {
  const { model, gpu, sequences, memoryUtilization = defaultMemoryUtilization } = request;
  const atOnce = (tokens: number): number =>
    Math.max(1, Math.min(maxSequencesCap, Math.floor(tokens / contextOf(request))));
  // More sequences take more graphs and logits, hence the second look.
  const most = Math.max(
    atOnce(kvTokens(request, dtype, parallelism)),
    serves ? Math.min(sequences, maxSequencesCap) : 1,
  );
  const tokens = kvTokens(request, dtype, parallelism, most);
  const maxNumSeqs = Math.min(most, atOnce(tokens));
  const memory = budgetOf(request, dtype, parallelism, most);
  const attention = chooseAttentionBackend(model, gpu, dtype);
  return {
    model: model.id,
    gpu: gpu.name,
    ...parallelism,
    gpus: gpusOf(parallelism),
    weightBits: weightBitsOf(request),
    quantizationFlag:
      weightBitsOf(request) === 8 && model.checkpointBits === 16 && gpu.architecture !== 'turing'
        ? 'fp8'
        : null,
    kvCacheDtype: dtype.name,
    kvCacheQuality: dtype.quality,
    kvBytesPerToken: bytesByDtype(request, (one) => kvBytesPerToken(model, one)),
    kvBytesPerTokenBeforeScales: bytesByDtype(request, (one) =>
      kvBytesPerToken(model, { ...one, scalePerTokenHead: false }),
    ),
    kvCacheTokens: tokens,
    gpuMemoryUtilization: memoryUtilization,
    kvCacheMemoryBytes: Math.floor(memory.kvCacheBytes),
    maxModelLen: maxModelLen(model, tokens),
    maxNumSeqs,
    maxNumBatchedTokens: defaultBatchedTokens(gpu),
    cudagraphCaptureSizes: plannedSizes(request, dtype, parallelism, most),
    attentionBackend: attention.name,
    attentionReason: attention.reason,
    memory,
    smallestThatLoads: loads,
    smallestThatServes: serves,
    nodes: nodesOf(request, parallelism),
    enginesThatFit: enginesThatFit(request, parallelism),
    notes: notesFor(request, { dtype, parallelism, serves, maxModelLen: maxModelLen(model, tokens) }),
  };
}

/** Of a cache that is too small for the model's own context: an estimate that was a little low must not break the start. */
const contextShare = 0.9;
const contextStep = 1024;

/** vLLM refuses to start when the cache cannot hold one sequence of the longest context (`vllm-contract` 5.4). */
function maxModelLen(model: ModelShape, kvCacheTokens: number): number {
  const share = kvCacheTokens * contextShare;
  if (model.maxContextTokens <= share) return model.maxContextTokens;
  return Math.max(1, Math.floor(share < contextStep ? share : share - (share % contextStep)));
}

function bytesByDtype(
  { model, gpu }: PlanRequest,
  bytes: (dtype: KvDtype) => number,
): Record<string, number> {
  return Object.fromEntries(
    supportedDtypes(model, gpu).map((dtype) => [dtype.name, Math.round(bytes(dtype))]),
  );
}
