import type { GpuProfile } from '../../domain/gpu-profiles.js';
import type { ModelShape } from './model-shape.js';

const gibibyte = 1024 ** 3;

/** vLLM's own default since 0.20 (`vllm-contract` 1.3): the share of total memory that it takes. */
export const defaultMemoryUtilization = 0.92;

/** CUDA context, cuBLAS work space and allocator slack of one worker; NCCL buffers come on top with more than one GPU. */
const contextBytes = 0.6 * gibibyte;
const ncclBytes = 0.5 * gibibyte;

/** Norms, biases and padding that parameter counts leave out. */
const weightSlack = 1.01;

export interface Parallelism {
  tensorParallelSize: number;
  pipelineParallelSize: number;
}

/** Everything on the fullest GPU of the engine, bytes. Activations and graphs are estimates, and are called so. */
export interface MemoryBudget {
  totalBytes: number;
  usableBytes: number;
  weightBytes: number;
  activationBytes: number;
  cudaGraphBytes: number;
  contextBytes: number;
  /** Memory of our own probe process, when the heartbeat is on. */
  probeBytes: number;
  /** What is left for the KV cache; negative when the engine cannot load. */
  kvCacheBytes: number;
}

export interface BudgetInput {
  model: ModelShape;
  gpu: GpuProfile;
  parallelism: Parallelism;
  weightBits: number;
  maxBatchedTokens: number;
  maxSequences: number;
  captureSizes: number;
  memoryUtilization: number;
  probeBytes: number;
}

export function memoryBudget(input: BudgetInput): MemoryBudget {
  const { model, gpu, weightBits, memoryUtilization, probeBytes } = input;
  const { tensorParallelSize: tp, pipelineParallelSize: pp } = input.parallelism;
  const budget = {
    totalBytes: gpu.memoryBytes,
    usableBytes: gpu.memoryBytes * memoryUtilization - probeBytes,
    weightBytes: (model.parameters * (weightBits / 8) * weightSlack) / (tp * pp),
    activationBytes: activationBytes(input),
    cudaGraphBytes: cudaGraphBytes(input),
    contextBytes: contextBytes + (tp * pp > 1 ? ncclBytes : 0),
    probeBytes,
  };
  const taken = budget.weightBytes + budget.activationBytes + budget.cudaGraphBytes + budget.contextBytes;
  return { ...budget, kvCacheBytes: budget.usableBytes - taken };
}

/**
 * Peak of one step: about ten hidden-sized 16-bit buffers per batched token (attention in and out, residual, the
 * widened feed-forward split over the ranks), and f32 logits with one copy for each sequence that samples.
 */
function activationBytes({ model, parallelism, maxBatchedTokens, maxSequences }: BudgetInput): number {
  const hidden = maxBatchedTokens * model.hiddenSize * 2 * (4 + 6 / parallelism.tensorParallelSize);
  const logits = maxSequences * model.vocabSize * 4 * 2;
  return hidden + logits;
}

/** 0.3 to 3 GiB, growing with sizes, layers and ranks (`vllm-contract` 6): 67 sizes of 32 layers come to about 0.7 GiB. */
export function cudaGraphBytes({ model, captureSizes, parallelism }: BudgetInput): number {
  if (captureSizes === 0) return 0;
  const perSizeAndLayer = 0.2 * 1024 ** 2;
  const estimate =
    0.25 * gibibyte + captureSizes * (model.layers / parallelism.pipelineParallelSize) * perSizeAndLayer;
  return Math.min(3 * gibibyte, Math.max(0.3 * gibibyte, estimate));
}
