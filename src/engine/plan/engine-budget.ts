/**
 * What of a GPU's memory is whose when an engine runs with given parallel sizes, and what is left for its KV cache. Graphs stand back
 * behind the cache that the target needs, down to a few sizes.
 */
import type { GpuProfile } from '../../domain/gpu-profiles.js';
import { captureSizes, captureSizesFor, fewestSizes, graphMemoryShare, seenSizes } from './capture-sizes.js';
import { kvBytesPerSequence, type KvDtype } from './kv-size.js';
import {
  cudaGraphBytes,
  defaultMemoryUtilization,
  memoryBudget,
  type BudgetInput,
  type MemoryBudget,
  type Parallelism,
} from './memory-budget.js';
import type { PlanRequest } from './plan-engine.js';

/** Server defaults of vLLM: GPUs of 70 GiB or more except A100 take 8,192 tokens a step, others 2,048 (`vllm-contract` 1.3). */
export function defaultBatchedTokens(gpu: GpuProfile): number {
  return gpu.memoryBytes >= 70 * 1024 ** 3 && gpu.architecture !== 'ampere' ? 8192 : 2048;
}

/** "sequences = tokens / mean length, at most 256" (source documents). */
export const maxSequencesCap = 256;

export function weightBitsOf({ weightBits, model }: PlanRequest): number {
  return weightBits ?? model.checkpointBits;
}

export const contextOf = ({ model, contextTokens }: PlanRequest): number =>
  Math.min(contextTokens, model.maxContextTokens);

/** KV bytes on one GPU for one sequence of the asked length. */
function bytesPerSequence(request: PlanRequest, dtype: KvDtype, parallelism: Parallelism): number {
  const { tensorParallelSize: tp, pipelineParallelSize: pp } = parallelism;
  return kvBytesPerSequence(request.model, dtype, contextOf(request), tp, pp);
}

/** KV bytes on one GPU that the target takes. */
export function kvBytesNeeded(request: PlanRequest, dtype: KvDtype, parallelism: Parallelism): number {
  return request.sequences * bytesPerSequence(request, dtype, parallelism);
}

/** Tokens that the KV cache holds when all sequences are as long as asked: windows and states are paid per sequence. */
export function kvTokens(
  request: PlanRequest,
  dtype: KvDtype,
  parallelism: Parallelism,
  maxSequences = request.sequences,
): number {
  const { kvCacheBytes } = budgetOf(request, dtype, parallelism, maxSequences);
  const sequences = kvCacheBytes / bytesPerSequence(request, dtype, parallelism);
  return Math.max(0, Math.floor(sequences * contextOf(request)));
}

export function budgetOf(
  request: PlanRequest,
  dtype: KvDtype,
  parallelism: Parallelism,
  maxSequences = request.sequences,
): MemoryBudget {
  const sizes = plannedSizes(request, dtype, parallelism, maxSequences).length;
  return memoryBudget({ ...inputOf(request, parallelism, maxSequences), captureSizes: sizes });
}

function inputOf(request: PlanRequest, parallelism: Parallelism, maxSequences: number): BudgetInput {
  const { model, gpu, memoryUtilization = defaultMemoryUtilization, probeBytes = 0 } = request;
  return {
    ...{ model, gpu, parallelism, memoryUtilization, probeBytes },
    weightBits: weightBitsOf(request),
    maxBatchedTokens: defaultBatchedTokens(gpu),
    maxSequences: Math.min(maxSequencesCap, Math.max(maxSequences, 1)),
    captureSizes: 0,
  };
}

/** For the batches that were really seen, else vLLM's own sizes; as many of them as there is memory for. */
export function plannedSizes(
  request: PlanRequest,
  dtype: KvDtype,
  parallelism: Parallelism,
  maxSequences: number,
): number[] {
  const input = inputOf(request, parallelism, maxSequences);
  const own = captureSizes(input.maxSequences, input.maxBatchedTokens);
  const seen = captureSizesFor(request.batchSizeCounts ?? [], Math.min(seenSizes, own.length));
  const wanted = seen.length > 0 ? seen : own;
  const spare = memoryBudget(input).kvCacheBytes - kvBytesNeeded(request, dtype, parallelism);
  const most = sizesWithin(input, Math.min(spare, request.gpu.memoryBytes * graphMemoryShare), wanted.length);
  if (most >= wanted.length) return wanted;
  return captureSizesFor(
    seen.length > 0 ? (request.batchSizeCounts ?? []) : smallOnesOften(wanted.at(-1) ?? 1),
    most,
  );
}

function sizesWithin(input: BudgetInput, bytes: number, wanted: number): number {
  let most = wanted;
  while (most > fewestSizes && cudaGraphBytes({ ...input, captureSizes: most }) > bytes) most -= 1;
  return most;
}

/** Where nobody has looked yet: a batch of n is met 1/n as often as one of 1, and its padding counts by its share. */
function smallOnesOften(largest: number): number[] {
  return Array.from({ length: largest + 1 }, (_, size) => (size === 0 ? 0 : 1 / size ** 2));
}
