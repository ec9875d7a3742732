/** Which tensor and pipeline sizes there are for a request, and the smallest that does what is asked. */
import { budgetOf, kvBytesNeeded, kvTokens } from './engine-budget.js';
import type { KvDtype } from './kv-size.js';
import type { Parallelism } from './memory-budget.js';
import type { PlanRequest } from './plan-engine.js';

/** A plan that holds less than one block of tokens serves nobody. */
const minKvTokens = 16;

type Fits = (request: PlanRequest, dtype: KvDtype, parallelism: Parallelism) => boolean;

export const loadsAtAll: Fits = (request, dtype, parallelism) =>
  kvTokens(request, dtype, parallelism) >= minKvTokens;

export const servesTarget: Fits = (request, dtype, parallelism) =>
  budgetOf(request, dtype, parallelism).kvCacheBytes >= kvBytesNeeded(request, dtype, parallelism);

/** Fewest GPUs first; among equals the fewest pipeline stages. */
export function smallestThat(fits: Fits, request: PlanRequest, dtype: KvDtype): Parallelism | null {
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

export const gpusOf = ({ tensorParallelSize, pipelineParallelSize }: Parallelism): number =>
  tensorParallelSize * pipelineParallelSize;

export function nodesOf(request: PlanRequest, { pipelineParallelSize }: Parallelism): number {
  return Math.ceil(pipelineParallelSize / stagesPerNode(request));
}

export function enginesThatFit(request: PlanRequest, parallelism: Parallelism): number {
  const nodes = nodesOf(request, parallelism);
  const perNode = nodes > 1 ? 1 : Math.floor(request.gpusPerNode / gpusOf(parallelism));
  return Math.floor(request.nodes / nodes) * perNode;
}
