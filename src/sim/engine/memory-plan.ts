import type { EngineSettings } from './engine-settings.js';
import { integer, string } from './engine-settings.js';
import type { GpuDevice } from './gpu-node.js';
import { kvDtypeRatio, weightBytesPerParameter } from './model-facts.js';
import { StartFailure } from './start-failure.js';

export const gib = 1024 ** 3;

/** Without a simulated node every rank has a GPU of this size to itself. */
const assumedTotalBytes = 80 * gib;
/** Activations, CUDA graphs and the context: what a common 8B start takes beside weights and KV. */
const overheadBytes = 2.5 * gib;
/** The bookkeeping of more blocks would cost this process memory and time for nothing. */
const mostBlocks = 4_000_000;

export interface MemoryPlan {
  /** Bytes held on each rank's device, weights only and all. */
  weightBytes: number;
  heldBytes: number;
  kvBytes: number;
  blocks: number;
  maxModelLength: number;
  maxSequences: number;
  maxBatchedTokens: number;
  kvTokens: number;
}

/**
 * Sizes as vLLM finds them at start: the share of total memory it may use, less weights and overhead, is KV cache.
 * Throws StartFailure with vLLM's words when that does not work out.
 *
 * @param freeBytes per rank; nothing is refused when unknown
 */
export function planMemory(
  settings: EngineSettings,
  devices: readonly GpuDevice[],
  freeBytes: readonly number[],
): MemoryPlan {
  const world = settings.tensorParallel * settings.pipelineParallel;
  const total = devices[0]?.totalBytes ?? assumedTotalBytes;
  checkFreeMemory(settings, devices, freeBytes);
  const { facts, flags, model } = settings;
  const bytesPerParameter = weightBytesPerParameter(model, string(flags, 'quantization'));
  const weightBytes = (facts.parametersBillion * 1e9 * bytesPerParameter) / world;
  const budget = total * settings.gpuMemoryUtilization;
  const kvGiven = integer(flags, 'kv-cache-memory-bytes');
  const kvBytes = kvGiven ?? budget - weightBytes - overheadBytes;
  const perToken = (facts.kvBytesPerToken * kvDtypeRatio(string(flags, 'kv-cache-dtype') ?? 'auto')) / world;
  const blocks = countBlocks(settings, kvBytes, perToken);
  const large = total >= 70 * gib && !devices[0]?.profile.startsWith('A100');
  const plan = {
    weightBytes,
    heldBytes: Math.round(weightBytes + overheadBytes + kvBytes),
    kvBytes,
    blocks,
    kvTokens: blocks * settings.blockSize,
    maxModelLength: settings.maxModelLength ?? facts.maxModelLength,
    maxSequences: settings.maxSequences ?? (large ? 1024 : 256),
    maxBatchedTokens: settings.maxBatchedTokens ?? (large ? 8192 : 2048),
  };
  if (settings.maxModelLength === -1) plan.maxModelLength = Math.min(facts.maxModelLength, plan.kvTokens);
  if (plan.kvTokens < plan.maxModelLength) refuseLength(plan, perToken);
  return plan;
}

function checkFreeMemory(
  settings: EngineSettings,
  devices: readonly GpuDevice[],
  freeBytes: readonly number[],
): void {
  if (settings.flags.has('kv-cache-memory-bytes')) return; // Skips the share rule, as in vLLM.
  const share = settings.gpuMemoryUtilization;
  devices.forEach(({ totalBytes }, rank) => {
    const free = freeBytes[rank];
    if (free === undefined || free >= totalBytes * share) return;
    const amount = (bytes: number): string => (bytes / gib).toFixed(2);
    throw new StartFailure(
      devices.length > 1 ? rank : 'core',
      `ValueError: Free memory on device cuda:${rank} (${amount(free)}/${amount(totalBytes)} GiB) on startup is less than desired GPU memory utilization (${share}, ${amount(totalBytes * share)} GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.`,
    );
  });
}

function countBlocks(settings: EngineSettings, kvBytes: number, bytesPerToken: number): number {
  const override = integer(settings.flags, 'num-gpu-blocks-override');
  if (override !== null && override > 0) return override;
  const blocks = Math.floor(kvBytes / (bytesPerToken * settings.blockSize));
  if (blocks > 0) return Math.min(blocks, mostBlocks);
  throw new StartFailure(
    'core',
    'ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.',
  );
}

function refuseLength({ maxModelLength, kvTokens, kvBytes }: MemoryPlan, bytesPerToken: number): never {
  const needed = ((maxModelLength * bytesPerToken) / gib).toFixed(2);
  throw new StartFailure(
    'core',
    `ValueError: To serve at least one request with the model's max seq len (${maxModelLength}), (${needed} GiB KV cache is needed, which is larger than the available KV cache memory (${(kvBytes / gib).toFixed(2)} GiB). Based on the available memory, the estimated maximum model length is ${kvTokens}. Try increasing \`gpu_memory_utilization\` or decreasing \`max_model_len\` when initializing the engine.`,
  );
}
