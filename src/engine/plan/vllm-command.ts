import { compareVersions } from './compare-versions.js';
import type { EnginePlan } from './plan-engine.js';

/** The release that the contract describes; taken when no vllm is installed. */
export const assumedVllmVersion = '0.26.0';

export interface VllmCommand {
  argv: string[];
  env: Record<string, string>;
}

/**
 * The exact `vllm serve` line of a plan for one vLLM version: flags that came later are left out or replaced by what
 * that version had (`vllm-contract` 1 and 6).
 */
export function vllmCommand(plan: EnginePlan, version = assumedVllmVersion): VllmCommand {
  const since = (release: string): boolean => compareVersions(version, release) >= 0;
  const flags: [string, string][] = [
    ['--tensor-parallel-size', String(plan.tensorParallelSize)],
    ['--gpu-memory-utilization', String(plan.gpuMemoryUtilization)],
    ['--max-model-len', String(plan.maxModelLen)],
    ['--max-num-seqs', String(plan.maxNumSeqs)],
    ['--max-num-batched-tokens', String(plan.maxNumBatchedTokens)],
    ['--kv-cache-dtype', plan.kvCacheDtype],
  ];
  if (plan.pipelineParallelSize > 1) {
    flags.push(['--pipeline-parallel-size', String(plan.pipelineParallelSize)]);
    if (since('0.12.0')) flags.push(['--nnodes', String(plan.pipelineParallelSize)]);
  }
  if (since('0.13.0')) flags.push(['--attention-backend', plan.attentionBackend]);
  const argv = ['vllm', 'serve', plan.model, ...flags.flat()];
  if (since('0.12.0')) argv.push('--cudagraph-capture-sizes', ...plan.cudagraphCaptureSizes.map(String));
  if (plan.quantizationFlag !== null) argv.push('--quantization', plan.quantizationFlag);
  return { argv, env: since('0.13.0') ? {} : { VLLM_ATTENTION_BACKEND: plan.attentionBackend } };
}
