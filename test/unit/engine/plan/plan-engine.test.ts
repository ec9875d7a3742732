// Golden figures of the planner: the source documents' parallelism table (what loads) and what serves 32 sequences of 8,192
// tokens, memory, graphs, topology, and the errors.
import { describe, expect, test } from 'vitest';
import { gpuProfiles } from '../../../../src/domain/gpu-profiles.js';
import { captureSizes } from '../../../../src/engine/plan/capture-sizes.js';
import { catalogueModels, toShape } from '../../../../src/engine/plan/model-catalogue.js';
import { planEngine } from '../../../../src/engine/plan/plan-engine.js';
import { vllmCommand } from '../../../../src/engine/plan/vllm-command.js';
import { aPlanRequest as request } from '../../../support/plan-request.js';

// The table of the source documents is what loads; the last column is what serves 32 sequences of 8,192 tokens.
describe('parallel sizes on H100-80', () => {
  test.each([
    ['Llama-2-7b-hf', 16, [1, 1], [2, 1]],
    ['Llama-2-7b-hf', 8, [1, 1], [1, 1]],
    ['Qwen2.5-7B-Instruct', 16, [1, 1], [1, 1]],
    ['Qwen2.5-7B-Instruct', 8, [1, 1], [1, 1]],
    ['llama-3.1-70b', 16, [2, 1], [4, 1]],
    ['llama-3.1-70b', 8, [1, 1], [4, 1]],
    ['llama-3.1-405b', 16, [8, 2], [8, 2]],
    ['llama-3.1-405b', 8, [8, 1], [8, 1]],
  ])('%s in %i bit', (model, weightBits, loads, serves) => {
    const plan = planEngine(request(model, { weightBits, nodes: 2, kvCacheDtype: 'auto' }));
    const sizes = (p: typeof plan.smallestThatLoads) => p && [p.tensorParallelSize, p.pipelineParallelSize];
    expect(sizes(plan.smallestThatLoads)).toEqual(loads);
    expect(sizes(plan.smallestThatServes)).toEqual(serves);
    expect([plan.tensorParallelSize, plan.pipelineParallelSize]).toEqual(serves);
  });
});

test('every plan of the catalogue keeps its promises', () => {
  for (const row of catalogueModels) {
    const plan = planEngine({
      ...request('llama-3.1-70b'),
      model: toShape(row),
      gpu: gpuProfiles['H200-141'],
      nodes: 4,
    });
    const { memory } = plan;
    const taken =
      memory.weightBytes +
      memory.activationBytes +
      memory.cudaGraphBytes +
      memory.contextBytes +
      memory.kvCacheBytes;
    expect(taken, row.id).toBeCloseTo(memory.usableBytes, 0);
    expect(memory.kvCacheBytes, row.id).toBeGreaterThan(0);
    expect(plan.maxModelLen, row.id).toBeLessThanOrEqual(
      Math.min(row.max_position_embeddings ?? Infinity, plan.kvCacheTokens),
    );
    expect(plan.maxNumSeqs, row.id).toBeGreaterThanOrEqual(1);
    expect(plan.maxNumSeqs, row.id).toBeLessThanOrEqual(256);
    expect(row.num_attention_heads % plan.tensorParallelSize, row.id).toBe(0);
  }
});

test('a model that cannot fit gets the reason and the nearest thing that would', () => {
  expect(() => planEngine(request('llama-3.1-405b', { gpusPerNode: 4 }))).toThrow(
    /in 16 bit needs 756 GiB .* does not load on 4 x NVIDIA H100.*nearest that would: .*4-bit weights|8-bit/,
  );
});

test('fp8 is chosen where only it serves the target, and said so', () => {
  const plan = planEngine(request('gemma-3-27b-it', { gpu: 'L40S', gpusPerNode: 2 }));
  expect(plan.kvCacheDtype).toBe('fp8');
  expect(plan.notes.join()).toMatch(/16-bit KV cache would not serve/);
});

test('a KV dtype that the model or the GPU cannot use is refused with the possible ones', () => {
  expect(() =>
    planEngine(request('deepseek-v3', { gpu: 'H200-141', kvCacheDtype: 'int8_per_token_head' })),
  ).toThrow(/possible: auto, bfloat16, float16, fp8, fp8_e4m3$/);
  expect(() => planEngine(request('llama-3.1-70b', { kvCacheDtype: 'nvfp4' }))).toThrow(/does not fit/);
});

test.each([
  ['llama-3.1-70b', 'H100-80', null, 'FLASH_ATTN', /FlashAttention 3/],
  ['llama-3.1-8b', 'A100-80', null, 'FLASH_ATTN', /FlashAttention 2/],
  ['llama-3.1-8b', 'L4', 'fp8', 'FLASHINFER', /fp8/],
  ['deepseek-v3', 'H200-141', null, 'FLASHMLA', /MLA/],
  ['llama-3.1-8b', 'H100-80', 'int8_per_token_head', 'TRITON_ATTN', /Triton/],
  ['llama-3.1-8b', 'B200-180', null, 'FLASHINFER', /Blackwell/],
  ['llama-3.1-8b', 'RTX-5090', null, 'FLASH_ATTN', /FlashAttention 2/],
] as const)('attention of %s on %s with %s is %s', (model, gpu, kvCacheDtype, name, reason) => {
  const plan = planEngine(request(model, { gpu, kvCacheDtype }));
  expect(plan.attentionBackend).toBe(name);
  expect(plan.attentionReason).toMatch(reason);
});

test("the default capture sizes are vLLM's: 51 at a maximum of 512", () => {
  expect(captureSizes(256, 8192)).toHaveLength(51);
  expect(captureSizes(1, 8192)).toEqual([1, 2]);
});

test('tensor parallelism stays inside the NVLink domain; stages take the rest of the node first', () => {
  const plan = planEngine(request('llama-3.1-70b', { nvlinkGpus: 2 }));
  expect(plan).toMatchObject({ tensorParallelSize: 2, pipelineParallelSize: 2, nodes: 1, enginesThatFit: 2 });
  expect(plan.notes.join()).toMatch(/stays within the 2 GPUs that NVLink joins/);
  expect(vllmCommand(plan).argv).not.toContain('--nnodes');
  const two = vllmCommand(planEngine(request('llama-3.1-405b', { nodes: 2 }))).argv;
  expect(two.slice(two.indexOf('--nnodes'), two.indexOf('--nnodes') + 2)).toEqual(['--nnodes', '2']);
});

test('graphs are planned for the batch sizes really seen', () => {
  const batchSizeCounts = new Array<number>(513).fill(0);
  batchSizeCounts[1] = 500;
  batchSizeCounts[30] = 500;
  const seen = planEngine(request('llama-3.1-70b', { batchSizeCounts }));
  expect(seen.cudagraphCaptureSizes).toEqual([1, 32]);
  expect(seen.memory.cudaGraphBytes).toBeLessThan(planEngine(request('llama-3.1-70b')).memory.cudaGraphBytes);
});

test('the context of a probe is taken from the engine', () => {
  const probeBytes = 512 * 1024 ** 2;
  const { memory } = planEngine(request('llama-3.1-70b', { probeBytes }));
  expect(planEngine(request('llama-3.1-70b')).memory.usableBytes - memory.usableBytes).toBe(probeBytes);
});

test('graphs stand back behind the cache that the target needs, and never take a twentieth of the GPU', () => {
  const withContext = (contextTokens: number) =>
    planEngine(
      request('llama-3.1-8b', {
        gpu: 'A10-24',
        gpusPerNode: 1,
        sequences: 256,
        contextTokens,
        kvCacheDtype: 'auto',
      }),
    );
  let contextTokens = 300;
  while (!withContext(contextTokens).smallestThatServes) contextTokens -= 1;
  // The longest context fits only because graphs are given up for it; a little less, and they are all there.
  const { cudagraphCaptureSizes: few, maxNumSeqs } = withContext(contextTokens);
  expect([few.length, few[0], few.at(-1), maxNumSeqs]).toEqual([8, 1, 288, 256]);
  expect(withContext(contextTokens - 20).cudagraphCaptureSizes).toHaveLength(51);
  for (const row of catalogueModels) {
    const plan = planEngine({
      ...request('llama-3.1-8b'),
      model: toShape(row),
      gpu: gpuProfiles['T4-16'],
      nodes: 64,
    });
    const { cudaGraphBytes, totalBytes } = plan.memory;
    if (plan.cudagraphCaptureSizes.length > 8)
      expect(cudaGraphBytes / totalBytes, row.id).toBeLessThanOrEqual(0.05);
  }
});

test('the estimate of graphs and logits is for the sequences that the plan lets in', () => {
  const plan = planEngine(request('llama-3.1-70b'));
  expect(plan.cudagraphCaptureSizes).toEqual(captureSizes(plan.maxNumSeqs, plan.maxNumBatchedTokens));
  expect(plan.maxNumSeqs).toBe(Math.floor(plan.kvCacheTokens / 8192));
});

test.each([
  ['llama-3.1-405b', { nodes: 2 }, /with 8-bit weights \(--weights 8\) 8 such GPUs of one node would serve/],
  [
    'llama-3.1-8b',
    { gpu: 'L40S', gpusPerNode: 2 },
    /with an fp8 KV cache \(--kv-dtype fp8\) 1 such GPU would serve/,
  ],
  [
    'llama-3.1-70b',
    { gpusPerNode: 2 },
    /loads, but does not serve .*with 8-bit weights and an fp8 KV cache \(--weights 8 --kv-dtype fp8\) 2 such GPUs would serve/,
  ],
] as const)('%s with %j: less precision on fewer GPUs is said, not taken', (model, over, note) => {
  const plan = planEngine(request(model, over));
  expect(plan.notes.join('; ')).toMatch(note);
  expect([plan.kvCacheDtype, plan.weightBits]).toEqual(['auto', 16]);
});

test('a context that only memory limits leaves room for estimates that were too low', () => {
  const plan = planEngine(request('llama-3.1-8b', { gpu: 'L4', gpusPerNode: 1 }));
  expect(plan.maxModelLen % 1024).toBe(0);
  expect(plan.maxModelLen).toBeLessThanOrEqual(0.9 * plan.kvCacheTokens);
  expect(plan.maxModelLen).toBeGreaterThan(0.9 * plan.kvCacheTokens - 1024);
  expect(plan.notes.join()).toMatch(/the model goes to 131,072/);
  expect(planEngine(request('llama-3.1-70b')).maxModelLen).toBe(131_072);
});

test('Turing has no fp8: 8-bit weights are a checkpoint of their own there', () => {
  const plan = planEngine(request('Qwen2.5-7B-Instruct', { gpu: 'T4-16', gpusPerNode: 1, weightBits: 8 }));
  expect(plan.quantizationFlag).toBeNull();
  expect(plan.notes.join()).toMatch(/8-bit weights on Turing need a checkpoint/);
  expect(() => planEngine(request('Qwen2.5-7B-Instruct', { gpu: 'T4-16', gpusPerNode: 1 }))).toThrow(
    /8-bit weights on the same GPUs, or 2 such GPUs$/,
  );
});

test('a card that may be bridged is planned over PCIe until somebody says that it is', () => {
  const plain = planEngine(request('llama-3.1-70b', { gpu: 'A100-PCIe-80' }));
  expect(plain.tensorParallelSize).toBe(4);
  expect(plain.notes.join()).toMatch(/no NVLink here.*--nvlink 2 keeps tensor parallelism inside a pair/);
  const bridged = planEngine(request('llama-3.1-70b', { gpu: 'A100-PCIe-80', nvlinkGpus: 2 }));
  expect(bridged).toMatchObject({ tensorParallelSize: 2, pipelineParallelSize: 2 });
  expect(bridged.notes.join()).not.toMatch(/no NVLink here/);
});
