/**
 * Flags that say which CUDA graphs one start captures: none where vLLM's own choice holds, else the sizes that the engine has
 * really run, as many as its devices have memory for, and what the step of the ladder leaves of them.
 */
import type { TemplateConfig } from '../config/agent-config.js';
import type { CudaGraphs } from '../domain/engine.js';
import type { BatchSizes } from './batch-sizes.js';
import { ladderArgs } from './graph-ladder.js';
import { captureSizesFor, graphMemoryShare, seenSizes } from './plan/capture-sizes.js';
import { valuesOf } from './vllm-flags.js';

/** Of the ladder's first step. */
const fewSizes = 8;
const smallSizes = [1, 2, 4, 8, 16, 32, 64, 128];
/** About ten minutes of work; below this the histogram says little. */
const enoughLooks = 600;

export interface GraphChoice {
  template: TemplateConfig;
  /** Step of the ladder, and what was being captured when the step before failed. */
  step: number;
  failedPart: string;
  batchSizes: Pick<BatchSizes, 'looks' | 'counts'>;
  /** What the last start of this configuration captured, and what it took. */
  graphs: CudaGraphs | null;
  /** Of the smallest device; `null` where nobody reads them. */
  deviceBytes: number | null;
}

/** Arguments to be put behind the template's, in the words of the newest release. */
export function graphArgs(choice: GraphChoice): string[] {
  const { template, step, failedPart, batchSizes } = choice;
  const seen = (most: number): number[] =>
    batchSizes.looks < enoughLooks
      ? []
      : withinBatch(captureSizesFor(batchSizes.counts, Math.min(most, affordableSizes(choice))), template);
  if (step > 0) {
    const sizes = seen(fewSizes);
    return ladderArgs(
      step,
      template.args,
      sizes.length > 0 ? sizes : withinBatch(smallSizes, template),
      failedPart,
    );
  }
  const sizes = template.captureSizes === 'seen' ? seen(seenSizes) : [];
  return sizes.length > 0 ? ['--cudagraph-capture-sizes', ...sizes.map(String)] : [];
}

/** By what a size took at the last start of this configuration; without one nobody knows, and the estimate stays well below. */
function affordableSizes({ graphs, deviceBytes }: GraphChoice): number {
  if (deviceBytes === null || graphs === null || graphs.count === 0) return Infinity;
  // Each size is captured once for each kind, such as `PIECEWISE + FULL`.
  const sizes = graphs.count / graphs.mode.split(' + ').length;
  return Math.max(1, Math.floor((deviceBytes * graphMemoryShare) / (graphs.memoryBytes / sizes)));
}

/** vLLM captures up to twice the most sequences, for steps that read prompts beside them; what lies above ends there. */
function withinBatch(sizes: readonly number[], { args }: TemplateConfig): number[] {
  const most = 2 * Number(valuesOf(args, '--max-num-seqs')?.[0] ?? Infinity);
  const within = sizes.filter((size) => !(size > most));
  return within.length === sizes.length ? within : [...new Set([...within, most])];
}
