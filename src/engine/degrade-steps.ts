/** What an engine can give up at its next start, as data: which pressure asks for it, and the flags that it means. */
import type { TemplateConfig } from '../config/agent-config.js';
import type { DegradeStepName, PressureKind } from '../domain/engine.js';
import { valuesOf } from './vllm-flags.js';

interface DegradeStep {
  on: readonly PressureKind[];
  /** Put behind the template's own: the last one of a repeated flag counts. */
  args: (template: TemplateConfig) => string[];
}

const cache: readonly PressureKind[] = ['kv-cache', 'preemptions'];
/** A narrower cache frees nothing of the device: vLLM fills its share with more blocks. */
const memory: readonly PressureKind[] = [...cache, 'device-memory'];

/** Memory > 95 %: fewer concurrent requests, shorter context, KV quantization. */
export const degradeSteps: Readonly<Record<DegradeStepName, DegradeStep>> = {
  'fewer-sequences': {
    on: memory,
    args: ({ args, maxConcurrentRequests }) =>
      half('--max-num-seqs', Number(valuesOf(args, '--max-num-seqs')?.[0] ?? maxConcurrentRequests)),
  },
  /** The configuration sees to it that the template names its context. */
  'shorter-context': {
    on: memory,
    args: ({ args }) => half('--max-model-len', Number(valuesOf(args, '--max-model-len')?.[0])),
  },
  /** Perplexity rises by less than 0.1 % (source documents); scales are 1.0 unless the checkpoint brings its own. */
  'kv-fp8': { on: cache, args: () => ['--kv-cache-dtype', 'fp8'] },
};

function half(flag: string, value: number): string[] {
  return value > 1 ? [flag, String(Math.floor(value / 2))] : [];
}
