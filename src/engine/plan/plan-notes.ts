import { supportedDtypes } from './choose-kv-dtype.js';
import { weightBitsOf } from './engine-budget.js';
import type { KvDtype } from './kv-size.js';
import type { Parallelism } from './memory-budget.js';
import { gpusOf, loadsAtAll, nodesOf, servesTarget, smallestThat } from './parallel-sizes.js';
import type { PlanRequest } from './plan-engine.js';

/** What a plan has come to. */
interface Chosen {
  dtype: KvDtype;
  parallelism: Parallelism;
  /** The smallest sizes that serve the target, `null` when none does. */
  serves: Parallelism | null;
  maxModelLen: number;
}

/** What an operator should know before he types the line. */
export function notesFor(request: PlanRequest, chosen: Chosen): string[] {
  const { dtype, parallelism, serves, maxModelLen } = chosen;
  const { gpu, sequences, contextTokens, kvCacheDtype } = request;
  const notes: string[] = [];
  if (!serves)
    notes.push(
      `loads, but does not serve ${sequences} sequences of ${contextTokens} tokens here; more GPUs, fewer bits or shorter contexts would`,
    );
  if (dtype.name !== 'auto' && kvCacheDtype === null)
    notes.push(`the 16-bit KV cache would not serve the target; ${dtype.name}: ${dtype.quality}`);
  if (parallelism.tensorParallelSize > 1 && (request.nvlinkGpus ?? (gpu.nvlink === 'all' ? Infinity : 1)) < 2)
    notes.push(
      'no NVLink here: tensor parallelism runs over PCIe; expect its all-reduces to dominate small batches (pipeline stages give more throughput and longer waits)',
    );
  if (gpu.nvlink === 'pairs' && request.nvlinkGpus === undefined && parallelism.tensorParallelSize > 1)
    notes.push('where bridges join these GPUs in pairs, --nvlink 2 keeps tensor parallelism inside a pair');
  if (request.nvlinkGpus !== undefined && request.nvlinkGpus > 1 && request.nvlinkGpus < request.gpusPerNode)
    notes.push(`tensor parallelism stays within the ${request.nvlinkGpus} GPUs that NVLink joins`);
  if (nodesOf(request, parallelism) > 1)
    notes.push("pipeline stages span nodes: the engine needs vLLM's multi-node executor (--nnodes) or Ray");
  if (weightBitsOf(request) === 4 && request.model.checkpointBits > 4)
    notes.push(
      '4-bit weights need a checkpoint quantized to them (AWQ, GPTQ): name that checkpoint as the model',
    );
  const cutTo = request.model.maxContextTokens;
  if (maxModelLen < cutTo && cutTo < Number.MAX_SAFE_INTEGER)
    notes.push(
      `the context is what the cache holds less a tenth, for its size is an estimate; the model goes to ${cutTo.toLocaleString('en')}`,
    );
  if (gpu.architecture === 'turing' && weightBitsOf(request) === 8 && request.model.checkpointBits > 8)
    notes.push(
      '8-bit weights on Turing need a checkpoint quantized to them (GPTQ): name that checkpoint as the model',
    );
  if (gpu.architecture === 'turing') notes.push('no bfloat16 on Turing: the engine runs in float16');
  return [...notes, ...fewerGpus(request, chosen)];
}

/** The same target on fewer GPUs, or at all, for less precision: the operator's choice, so it is said and not taken. */
function fewerGpus(request: PlanRequest, { dtype, parallelism, serves }: Chosen): string[] {
  const bits = weightBitsOf(request);
  const choices: [string, PlanRequest, KvDtype][] = [];
  const fp8 = supportedDtypes(request.model, request.gpu).find(({ name }) => name === 'fp8');
  if (request.kvCacheDtype === null && dtype.name === 'auto' && fp8)
    choices.push(['an fp8 KV cache (--kv-dtype fp8)', request, fp8]);
  for (const fewer of [8, 4].filter((some) => some < bits)) {
    const wish = { ...request, weightBits: fewer };
    choices.push([`${fewer}-bit weights (--weights ${fewer})`, wish, dtype]);
    if (choices[0]?.[2] === fp8 && fp8)
      choices.push([
        `${fewer}-bit weights and an fp8 KV cache (--weights ${fewer} --kv-dtype fp8)`,
        wish,
        fp8,
      ]);
  }
  for (const [what, wish, kv] of choices) {
    const found = smallestThat(servesTarget, wish, kv);
    if (!found || (serves && gpusOf(found) >= gpusOf(parallelism))) continue;
    const nodes = nodesOf(request, found) < nodesOf(request, parallelism) ? ' of one node' : '';
    return [
      `with ${what} ${gpusOf(found)} such GPU${gpusOf(found) > 1 ? 's' : ''}${nodes} would serve the target`,
    ];
  }
  return [];
}

/** Why nothing fits, and the nearest thing that would. */
export function cannotFit(request: PlanRequest, dtype: KvDtype): string {
  const { model, gpu, gpusPerNode, nodes } = request;
  const bits = weightBitsOf(request);
  const weights = Math.ceil((model.parameters * bits) / 8 / 1024 ** 3);
  const have = `${nodes > 1 ? `${nodes} nodes of ` : ''}${gpusPerNode} x ${gpu.name}`;
  const head = `${model.id} in ${bits} bit needs ${weights} GiB for its weights alone and does not load on ${have}`;
  const wider = [1, 2, 4, 8]
    .map((n) => ({ ...request, nodes: n, gpusPerNode: Math.max(8, gpusPerNode) }))
    .map((wide) => ({ wide, found: smallestThat(loadsAtAll, wide, dtype) }))
    .find(({ found }) => found);
  const fewerBits = [8, 4]
    .filter((b) => b < bits)
    .find((b) => smallestThat(loadsAtAll, { ...request, weightBits: b }, dtype));
  const nearest = [
    ...(fewerBits ? [`${fewerBits}-bit weights on the same GPUs`] : []),
    ...(wider?.found ? [describeWider(wider.wide, wider.found)] : []),
  ];
  return `${head}; nearest that would: ${nearest.join(', or ') || 'larger GPUs'}`;
}

function describeWider(wide: PlanRequest, found: Parallelism): string {
  const nodes = nodesOf(wide, found);
  return nodes > 1 ? `${nodes} nodes of ${wide.gpusPerNode} such GPUs` : `${gpusOf(found)} such GPUs`;
}
