// Golden figures of the planner: bytes per token of every model of the catalogue, the source documents' parallelism
// table (what loads) and what serves 32 sequences of 8,192 tokens, and the errors.
import { describe, expect, test } from 'vitest';
import { gpuProfiles, type GpuProfileName } from '../../../../src/domain/gpu-profiles.js';
import { captureSizes } from '../../../../src/engine/plan/capture-sizes.js';
import { fromHfConfig } from '../../../../src/engine/plan/from-hf-config.js';
import {
  kvBytesPerSequence,
  kvBytesPerToken,
  kvDtype,
  kvDtypes,
} from '../../../../src/engine/plan/kv-size.js';
import { catalogueModels, findModel, toShape } from '../../../../src/engine/plan/model-catalogue.js';
import { planEngine, type PlanRequest } from '../../../../src/engine/plan/plan-engine.js';
import { vllmCommand } from '../../../../src/engine/plan/vllm-command.js';

const kibibyte = 1024;

function request(
  model: string,
  over: Partial<Omit<PlanRequest, 'model' | 'gpu'>> & { gpu?: GpuProfileName } = {},
): PlanRequest {
  const { gpu = 'H100-80', ...rest } = over;
  return {
    model: findModel(model),
    gpu: gpuProfiles[gpu],
    gpusPerNode: 8,
    nodes: 1,
    weightBits: null,
    kvCacheDtype: null,
    sequences: 32,
    contextTokens: 8192,
    ...rest,
  };
}

describe('bytes per token', () => {
  test.each(catalogueModels.map((row) => [row.id, row] as const))('%s as its source states', (_, row) => {
    const model = toShape(row);
    expect(kvBytesPerToken(model, kvDtype('auto'))).toBe(row.kv_bytes_per_token_16bit.all_context_layers);
    const windowed = { ...model, kvGroups: model.kvGroups.filter(({ kind }) => kind === 'window') };
    // One token is inside every window, so it costs what a windowed layer costs per token.
    expect(kvBytesPerSequence(windowed, kvDtype('auto'), 1, 1, 1)).toBe(
      row.kv_bytes_per_token_16bit.windowed_layers,
    );
  });

  test('Llama-3-70B: 320 KiB, 160 KiB, 80 KiB before scales, and with them', () => {
    const { kvBytesPerToken: bytes, kvBytesPerTokenBeforeScales: bare } = planEngine(
      request('llama-3.1-70b'),
    );
    expect(bare).toMatchObject({
      auto: 320 * kibibyte,
      fp8: 160 * kibibyte,
      int8_per_token_head: 160 * kibibyte,
      int4_per_token_head: 80 * kibibyte,
    });
    // 80 layers x 8 heads x (key, value) x 4 bytes of scale
    const scales = 80 * 8 * 2 * 4;
    expect(bytes).toMatchObject({
      auto: 320 * kibibyte,
      fp8: 160 * kibibyte,
      int8_per_token_head: 160 * kibibyte + scales,
      int4_per_token_head: 80 * kibibyte + scales,
    });
  });

  test('KV heads are never split below one per GPU, and MLA latents are on every rank', () => {
    const qwen = findModel('Qwen2.5-7B-Instruct');
    expect(kvBytesPerToken(qwen, kvDtype('auto'), 8)).toBe(kvBytesPerToken(qwen, kvDtype('auto'), 4));
    const deepseek = findModel('DeepSeek-V3');
    expect(kvBytesPerToken(deepseek, kvDtype('auto'), 8)).toBe(kvBytesPerToken(deepseek, kvDtype('auto'), 1));
    expect(kvBytesPerToken(findModel('DeepSeek-V3.2'), kvDtype('fp8'))).toBe(61 * 656);
  });

  test('a window caps what a long sequence holds', () => {
    const gemma = findModel('gemma-3-27b-it');
    const perToken = (tokens: number) => kvBytesPerSequence(gemma, kvDtype('auto'), tokens, 1, 1) / tokens;
    expect(perToken(1024)).toBe(81_920 + 425_984);
    expect(perToken(65_536)).toBe(81_920 + 425_984 / 64);
  });
});

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

describe('names', () => {
  test.each([
    ['meta-llama/Meta-Llama-3.1-70B', 'meta-llama/Meta-Llama-3.1-70B'],
    ['llama-3.1-70b', 'meta-llama/Meta-Llama-3.1-70B'],
    ['deepseek-v3', 'deepseek-ai/DeepSeek-V3'],
  ])('%s is %s', (name, id) => expect(findModel(name).id).toBe(id));

  test('an unknown name lists the candidates', () => {
    expect(() => findModel('llama-3.1-71b')).toThrow(
      /not in the catalogue; candidates: .*Meta-Llama-3.1-70B.*config\.json/,
    );
  });
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
  ).toThrow(/possible: auto, fp8/);
  expect(() => planEngine(request('llama-3.1-70b', { kvCacheDtype: 'nvfp4' }))).toThrow(/does not fit/);
});

test.each([
  ['llama-3.1-70b', 'H100-80', null, 'FLASH_ATTN', /FlashAttention 3/],
  ['llama-3.1-8b', 'A100-80', null, 'FLASH_ATTN', /FlashAttention 2/],
  ['llama-3.1-8b', 'L4', 'fp8', 'FLASHINFER', /fp8/],
  ['deepseek-v3', 'H200-141', null, 'FLASHMLA', /MLA/],
  ['llama-3.1-8b', 'H100-80', 'int8_per_token_head', 'TRITON_ATTN', /Triton/],
] as const)('attention of %s on %s with %s is %s', (model, gpu, kvCacheDtype, name, reason) => {
  const plan = planEngine(request(model, { gpu, kvCacheDtype }));
  expect(plan.attentionBackend).toBe(name);
  expect(plan.attentionReason).toMatch(reason);
});

test("the default capture sizes are vLLM's: 51 at a maximum of 512", () => {
  expect(captureSizes(256, 8192)).toHaveLength(51);
  expect(captureSizes(1, 8192)).toEqual([1, 2]);
});

test('the command fits the version: old releases get no flag they do not have', () => {
  const plan = planEngine(request('llama-3.1-70b'));
  expect(vllmCommand(plan).argv.slice(0, 5)).toEqual([
    'vllm',
    'serve',
    'meta-llama/Meta-Llama-3.1-70B',
    '--tensor-parallel-size',
    '4',
  ]);
  expect(vllmCommand(plan, '0.26.0').argv).toContain('--attention-backend');
  const old = vllmCommand(plan, '0.10.2');
  expect(old.argv).not.toContain('--attention-backend');
  expect(old.argv).not.toContain('--cudagraph-capture-sizes');
  expect(old.env).toEqual({ VLLM_ATTENTION_BACKEND: 'FLASH_ATTN' });
});

test('a config.json gives the same plan as the catalogue row of that model', () => {
  const shape = fromHfConfig(
    {
      num_hidden_layers: 80,
      hidden_size: 8192,
      num_attention_heads: 64,
      num_key_value_heads: 8,
      intermediate_size: 28_672,
      vocab_size: 128_256,
      max_position_embeddings: 131_072,
    },
    'config.json',
  );
  expect(shape.kvGroups).toEqual(findModel('llama-3.1-70b').kvGroups);
  expect(shape.parameters / findModel('llama-3.1-70b').parameters).toBeCloseTo(1, 3);
  expect(() => fromHfConfig({ hidden_size: 'big' }, 'c.json')).toThrow(
    /c\.json: not a model configuration: num_hidden_layers/,
  );
});

test('every KV dtype states what it does to quality', () => {
  for (const { quality } of kvDtypes) expect(quality.length).toBeGreaterThan(10);
});
