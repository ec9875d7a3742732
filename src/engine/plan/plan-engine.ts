import type { GpuProfile } from '../../domain/gpu-profiles.js';
import { InfernodeError } from '../../domain/error-codes.js';
import { chooseAttentionBackend } from './attention-backend.js';
import { captureSizes, captureSizesFor } from './capture-sizes.js';
import { kvBytesPerSequence, kvBytesPerToken, kvDtype, kvDtypes, type KvDtype } from './kv-size.js';
import {
  defaultMemoryUtilization,
  memoryBudget,
  type MemoryBudget,
  type Parallelism,
} from './memory-budget.js';
import { usesMla, type ModelShape } from './model-shape.js';

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

/** Server defaults of vLLM: GPUs of 70 GiB or more except A100 take 8,192 tokens a step, others 2,048 (`vllm-contract` 1.3). */
export function defaultBatchedTokens(gpu: GpuProfile): number {
  return gpu.memoryBytes >= 70 * 1024 ** 3 && gpu.architecture !== 'ampere' ? 8192 : 2048;
}

/** "sequences = tokens / mean length, at most 256" (source documents). */
const maxSequencesCap = 256;
/** Graphs beyond this many hardly save padding once the sizes are known. */
const seenSizes = 16;
/** A plan that holds less than one block of tokens serves nobody. */
const minKvTokens = 16;

/**
 * Plans one engine: the smallest tensor and pipeline parallel sizes that serve `sequences` of `contextTokens`, with the
 * 16-bit KV cache first and fp8 where only that fits. Throws `argument-invalid` with the reason and the nearest thing
 * that would fit.
 */
export function planEngine(request: PlanRequest): EnginePlan {
  const dtypes = candidateDtypes(request);
  const [first = kvDtype('auto')] = dtypes;
  const loads = smallest(request, first, loadsAtAll);
  for (const dtype of dtypes) {
    const serves = smallest(request, dtype, servesTarget);
    if (serves) return describe(request, dtype, serves, loads, serves);
  }
  if (loads) return describe(request, first, loads, loads, null);
  throw new InfernodeError('argument-invalid', cannotFit(request, first));
}

type Fits = (request: PlanRequest, dtype: KvDtype, parallelism: Parallelism) => boolean;

const loadsAtAll: Fits = (request, dtype, parallelism) =>
  kvTokens(request, dtype, parallelism) >= minKvTokens;

const servesTarget: Fits = (request, dtype, parallelism) => {
  const { model, sequences, contextTokens } = request;
  const tokens = Math.min(contextTokens, model.maxContextTokens);
  const needed =
    sequences *
    kvBytesPerSequence(
      model,
      dtype,
      tokens,
      parallelism.tensorParallelSize,
      parallelism.pipelineParallelSize,
    );
  return budgetOf(request, parallelism).kvCacheBytes >= needed;
};

/** Fewest GPUs first; among equals the fewest pipeline stages. */
function smallest(request: PlanRequest, dtype: KvDtype, fits: Fits): Parallelism | null {
  return allParallelisms(request).find((parallelism) => fits(request, dtype, parallelism)) ?? null;
}

/** Sizes of tensor parallelism: inside the NVLink domain where there is one, and dividing the heads. */
function tensorSizes({ model, gpusPerNode, nvlinkGpus = gpusPerNode }: PlanRequest): number[] {
  const most = Math.min(gpusPerNode, nvlinkGpus);
  return [1, 2, 4, 8, 16].filter((tp) => tp <= most && model.attentionHeads % tp === 0);
}

/** Pipeline stages of full width that one node takes. */
function stagesPerNode(request: PlanRequest): number {
  return Math.max(1, Math.floor(request.gpusPerNode / Math.max(...tensorSizes(request))));
}

/** Tensor parallelism grows first; pipeline stages go over NVLink domains and nodes. */
function allParallelisms(request: PlanRequest): Parallelism[] {
  const { model, nodes } = request;
  const tensor = tensorSizes(request);
  const pipeline = Array.from({ length: nodes * stagesPerNode(request) }, (_, i) => i + 1).filter(
    (pp) => pp <= model.layers,
  );
  return (
    pipeline
      .flatMap((pp) => tensor.map((tp) => ({ tensorParallelSize: tp, pipelineParallelSize: pp })))
      // A second domain is asked for only when one is used up: half-filled ones pay the slower link for nothing.
      .filter(
        ({ tensorParallelSize: tp, pipelineParallelSize: pp }) => pp === 1 || tp === Math.max(...tensor),
      )
      .sort((a, b) => gpusOf(a) - gpusOf(b) || a.pipelineParallelSize - b.pipelineParallelSize)
  );
}

const gpusOf = ({ tensorParallelSize, pipelineParallelSize }: Parallelism): number =>
  tensorParallelSize * pipelineParallelSize;

function candidateDtypes({ kvCacheDtype, gpu, model }: PlanRequest): KvDtype[] {
  if (kvCacheDtype !== null) {
    const chosen = supportedDtypes(model, gpu).find(({ name }) => name === kvCacheDtype);
    if (chosen) return [chosen];
    throw new InfernodeError(
      'argument-invalid',
      `KV dtype "${kvCacheDtype}" does not fit ${model.id} on ${gpu.name}; possible: ${supportedDtypes(
        model,
        gpu,
      )
        .map(({ name }) => name)
        .join(', ')}`,
    );
  }
  const native8bit =
    gpu.architecture === 'hopper' || gpu.architecture === 'blackwell' || gpu.architecture === 'ada';
  return native8bit ? [kvDtype('auto'), kvDtype('fp8')] : [kvDtype('auto')];
}

/**
 * What this model on this GPU can use: MLA has no per-head scales, fp4 needs Blackwell, fp8 arithmetic Ada or newer, bfloat16
 * and TurboQuant Ampere or newer.
 */
export function supportedDtypes(model: ModelShape, gpu: GpuProfile): KvDtype[] {
  const sparse = model.kvGroups.some(({ kind }) => kind === 'indexer');
  const mla = ['auto', 'bfloat16', 'float16', 'fp8', 'fp8_e4m3', ...(sparse ? ['fp8_ds_mla'] : [])];
  const turing = ['auto', 'float16', 'int8_per_token_head', 'int4_per_token_head'];
  return kvDtypes.filter(({ name }) => {
    if (usesMla(model)) return mla.includes(name);
    if (name === 'fp8_inc' || name === 'fp8_ds_mla') return false;
    if (name === 'nvfp4') return gpu.architecture === 'blackwell';
    return gpu.architecture === 'turing' ? turing.includes(name) : true;
  });
}

function weightBitsOf({ weightBits, model }: PlanRequest): number {
  return weightBits ?? model.checkpointBits;
}

function budgetOf(request: PlanRequest, parallelism: Parallelism): MemoryBudget {
  const { model, gpu, memoryUtilization = defaultMemoryUtilization, probeBytes = 0, sequences } = request;
  const maxBatchedTokens = defaultBatchedTokens(gpu);
  const maxSequences = Math.min(maxSequencesCap, Math.max(sequences, 1));
  return memoryBudget({
    model,
    gpu,
    parallelism,
    weightBits: weightBitsOf(request),
    maxBatchedTokens,
    maxSequences,
    captureSizes: plannedSizes(request, maxSequences, maxBatchedTokens).length,
    memoryUtilization,
    probeBytes,
  });
}

/** Tokens that the KV cache holds when all sequences are `contextTokens` long: windows and states are paid per sequence. */
function kvTokens(request: PlanRequest, dtype: KvDtype, parallelism: Parallelism): number {
  const { model, contextTokens } = request;
  const tokens = Math.min(contextTokens, model.maxContextTokens);
  const perSequence = kvBytesPerSequence(
    model,
    dtype,
    tokens,
    parallelism.tensorParallelSize,
    parallelism.pipelineParallelSize,
  );
  return Math.max(0, Math.floor((budgetOf(request, parallelism).kvCacheBytes / perSequence) * tokens));
}

function describe(
  request: PlanRequest,
  dtype: KvDtype,
  parallelism: Parallelism,
  loads: Parallelism | null,
  serves: Parallelism | null,
): EnginePlan {
  const { model, gpu, contextTokens, memoryUtilization = defaultMemoryUtilization } = request;
  const tokens = kvTokens(request, dtype, parallelism);
  const maxNumSeqs = Math.max(
    1,
    Math.min(maxSequencesCap, Math.floor(tokens / Math.min(contextTokens, model.maxContextTokens))),
  );
  const maxNumBatchedTokens = defaultBatchedTokens(gpu);
  const attention = chooseAttentionBackend(model, gpu, dtype);
  return {
    model: model.id,
    gpu: gpu.name,
    ...parallelism,
    gpus: gpusOf(parallelism),
    weightBits: weightBitsOf(request),
    quantizationFlag: weightBitsOf(request) === 8 && model.checkpointBits === 16 ? 'fp8' : null,
    kvCacheDtype: dtype.name,
    kvCacheQuality: dtype.quality,
    kvBytesPerToken: bytesByDtype(request, (one) => kvBytesPerToken(model, one)),
    kvBytesPerTokenBeforeScales: bytesByDtype(request, (one) =>
      kvBytesPerToken(model, { ...one, scalePerTokenHead: false }),
    ),
    kvCacheTokens: tokens,
    gpuMemoryUtilization: memoryUtilization,
    kvCacheMemoryBytes: Math.floor(budgetOf(request, parallelism).kvCacheBytes),
    maxModelLen: Math.min(model.maxContextTokens, tokens),
    maxNumSeqs,
    maxNumBatchedTokens,
    cudagraphCaptureSizes: plannedSizes(request, maxNumSeqs, maxNumBatchedTokens),
    attentionBackend: attention.name,
    attentionReason: attention.reason,
    memory: budgetOf(request, parallelism),
    smallestThatLoads: loads,
    smallestThatServes: serves,
    nodes: nodesOf(request, parallelism),
    enginesThatFit: enginesThatFit(request, parallelism),
    notes: notesFor(request, dtype, parallelism, serves),
  };
}

function nodesOf(request: PlanRequest, { pipelineParallelSize }: Parallelism): number {
  return Math.ceil(pipelineParallelSize / stagesPerNode(request));
}

function enginesThatFit(request: PlanRequest, parallelism: Parallelism): number {
  const nodes = nodesOf(request, parallelism);
  const perNode = nodes > 1 ? 1 : Math.floor(request.gpusPerNode / gpusOf(parallelism));
  return Math.floor(request.nodes / nodes) * perNode;
}

/** For the sizes that were really seen, at most as many as vLLM would capture; else vLLM's own. */
function plannedSizes({ batchSizeCounts }: PlanRequest, sequences: number, batchedTokens: number): number[] {
  const own = captureSizes(sequences, batchedTokens);
  const seen = captureSizesFor(batchSizeCounts ?? [], Math.min(seenSizes, own.length));
  return seen.length > 0 ? seen : own;
}

function bytesByDtype(
  { model, gpu }: PlanRequest,
  bytes: (dtype: KvDtype) => number,
): Record<string, number> {
  return Object.fromEntries(
    supportedDtypes(model, gpu).map((dtype) => [dtype.name, Math.round(bytes(dtype))]),
  );
}

function notesFor(
  request: PlanRequest,
  dtype: KvDtype,
  parallelism: Parallelism,
  serves: Parallelism | null,
): string[] {
  const { gpu, sequences, contextTokens, kvCacheDtype } = request;
  const notes: string[] = [];
  if (!serves)
    notes.push(
      `loads, but does not serve ${sequences} sequences of ${contextTokens} tokens here; more GPUs, fewer bits or shorter contexts would`,
    );
  if (dtype.name !== 'auto' && kvCacheDtype === null)
    notes.push(`the 16-bit KV cache would not serve the target; ${dtype.name}: ${dtype.quality}`);
  if (parallelism.tensorParallelSize > 1 && !gpu.nvlink)
    notes.push(
      'no NVLink on this GPU: tensor parallelism runs over PCIe; expect its all-reduces to dominate small batches',
    );
  if (request.nvlinkGpus !== undefined && request.nvlinkGpus < request.gpusPerNode)
    notes.push(`tensor parallelism stays within the ${request.nvlinkGpus} GPUs that NVLink joins`);
  if (nodesOf(request, parallelism) > 1)
    notes.push("pipeline stages span nodes: the engine needs vLLM's multi-node executor (--nnodes) or Ray");
  if (weightBitsOf(request) === 4 && request.model.checkpointBits > 4)
    notes.push(
      '4-bit weights need a checkpoint quantized to them (AWQ, GPTQ): name that checkpoint as the model',
    );
  if (gpu.architecture === 'turing') notes.push('no bfloat16 on Turing: the engine runs in float16');
  return notes;
}

function cannotFit(request: PlanRequest, dtype: KvDtype): string {
  const { model, gpu, gpusPerNode, nodes } = request;
  const bits = weightBitsOf(request);
  const weights = Math.ceil((model.parameters * bits) / 8 / 1024 ** 3);
  const have = `${nodes > 1 ? `${nodes} nodes of ` : ''}${gpusPerNode} x ${gpu.name}`;
  const head = `${model.id} in ${bits} bit needs ${weights} GiB for its weights alone and does not load on ${have}`;
  const wider = [1, 2, 4, 8]
    .map((n) => ({ ...request, nodes: n, gpusPerNode: Math.max(8, gpusPerNode) }))
    .find((wide) => smallest(wide, dtype, loadsAtAll));
  const fewerBits = [8, 4]
    .filter((b) => b < bits)
    .find((b) => smallest({ ...request, weightBits: b }, dtype, loadsAtAll));
  const nearest = [
    ...(fewerBits ? [`${fewerBits}-bit weights on the same GPUs`] : []),
    ...(wider ? [`${wider.nodes > 1 ? `${wider.nodes} nodes of ` : ''}${wider.gpusPerNode} such GPUs`] : []),
  ];
  return `${head}; nearest that would: ${nearest.join(', or ') || 'larger GPUs'}`;
}
