import { mapFlags } from '../vllm-flags.js';
import type { VllmProgram } from '../vllm-program.js';
import { compareVersions } from './compare-versions.js';
import type { EnginePlan } from './plan-engine.js';

/** The release that the contract describes; taken when no vllm is installed. */
export const assumedVllmVersion = '0.26.0';

export interface VllmCommand {
  argv: string[];
  env: Record<string, string>;
  /** What this vLLM could not be told in the plan's words. */
  notes: string[];
}

/** `share`: `--gpu-memory-utilization`. `bytes`: `--kv-cache-memory-bytes`, where others use the GPU too. */
export type MemoryBy = 'share' | 'bytes';

/** The exact `vllm serve` line of a plan for the program that is installed, in the words that its help shows. */
export function vllmCommandFor(
  plan: EnginePlan,
  program: VllmProgram,
  memoryBy: MemoryBy = 'share',
): VllmCommand {
  if (program.flags === null) return vllmCommand(plan, program.version ?? assumedVllmVersion, memoryBy);
  const { args, env, notes } = mapFlags(vllmCommand(plan, newest, memoryBy).argv.slice(3), program);
  return { argv: ['vllm', 'serve', plan.model, ...args], env, notes };
}

/** Later than any release: the words of the newest one. */
const newest = '999';

/**
 * The same for a version by its number: flags that came later are left out or replaced by what that version had
 * (`vllm-contract` 1 and 6).
 */
export function vllmCommand(
  plan: EnginePlan,
  version = assumedVllmVersion,
  memoryBy: MemoryBy = 'share',
): VllmCommand {
  const since = (release: string): boolean => compareVersions(version, release) >= 0;
  const byBytes = memoryBy === 'bytes' && since('0.11.0');
  const flags: [string, string][] = [
    ['--tensor-parallel-size', String(plan.tensorParallelSize)],
    byBytes
      ? ['--kv-cache-memory-bytes', String(plan.kvCacheMemoryBytes)]
      : ['--gpu-memory-utilization', String(plan.gpuMemoryUtilization)],
    ['--max-model-len', String(plan.maxModelLen)],
    ['--max-num-seqs', String(plan.maxNumSeqs)],
    ['--max-num-batched-tokens', String(plan.maxNumBatchedTokens)],
    ['--kv-cache-dtype', plan.kvCacheDtype],
  ];
  if (plan.pipelineParallelSize > 1)
    flags.push(['--pipeline-parallel-size', String(plan.pipelineParallelSize)]);
  if (plan.nodes > 1 && since('0.12.0')) flags.push(['--nnodes', String(plan.nodes)]);
  if (since('0.13.0')) flags.push(['--attention-backend', plan.attentionBackend]);
  const argv = ['vllm', 'serve', plan.model, ...flags.flat()];
  const sizes = plan.cudagraphCaptureSizes.map(String);
  if (since('0.12.0')) argv.push('--cudagraph-capture-sizes', ...sizes);
  if (plan.quantizationFlag !== null) argv.push('--quantization', plan.quantizationFlag);
  return {
    argv,
    env: since('0.13.0') ? {} : { VLLM_ATTENTION_BACKEND: plan.attentionBackend },
    notes: memoryBy === 'bytes' && !byBytes ? ['--kv-cache-memory-bytes came with 0.11'] : [],
  };
}
