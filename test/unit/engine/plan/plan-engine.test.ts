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
import {
  defaultProbeBytes,
  planEngine,
  supportedDtypes,
  type PlanRequest,
} from '../../../../src/engine/plan/plan-engine.js';
import { fromNumbers } from '../../../../src/engine/plan/from-numbers.js';
import { planForNode } from '../../../../src/engine/plan/plan-for-node.js';
import { vllmCommand, vllmCommandFor } from '../../../../src/engine/plan/vllm-command.js';
import { aDeviceStatus } from '../../../support/node-fixtures.js';

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

  // From the rows as they are, without the planner's own formula: K and V of every layer that keeps the whole context.
  test.each(catalogueModels.map((row) => [row.id, row] as const))('%s in every KV dtype', (_, row) => {
    const model = toShape(row);
    const full = row.kv_groups.filter(({ kind }) => kind === 'full');
    const mla = row.kv_groups.filter(({ kind }) => kind === 'mla');
    const sparse = row.kv_groups.some(({ kind }) => kind === 'sparse_indexer');
    const elements =
      full.reduce((sum, group) => sum + group.layers * (group.kv_heads ?? 0) * 2 * (group.head_dim ?? 0), 0) +
      mla.reduce((sum, group) => sum + group.layers * ((group.latent_dim ?? 0) + (group.rope_dim ?? 0)), 0);
    const scales = full.reduce((sum, group) => sum + group.layers * (group.kv_heads ?? 0) * 2 * 4, 0);
    const dsMla = mla.reduce((sum, group) => sum + group.layers * 656, 0);
    const expected: Record<string, number> = {
      ...{ auto: elements * 2, bfloat16: elements * 2, float16: elements * 2, fp8_e5m2: elements },
      fp8: sparse ? dsMla : elements,
      fp8_e4m3: sparse ? dsMla : elements,
      ...(sparse ? { fp8_ds_mla: dsMla } : {}),
      int8_per_token_head: elements + scales,
      fp8_per_token_head: elements + scales,
      int4_per_token_head: elements / 2 + scales,
      nvfp4: elements * (0.5 + 1 / 16),
      turboquant_k8v4: (elements * 2) / 2.6,
      turboquant_4bit_nc: (elements * 2) / 3.8,
      turboquant_k3v4_nc: (elements * 2) / 3.5,
      turboquant_3bit_nc: (elements * 2) / 4.9,
    };
    const dtypes = supportedDtypes(model, gpuProfiles['B200-180']);
    expect(dtypes.length).toBeGreaterThanOrEqual(5);
    for (const dtype of dtypes)
      expect(kvBytesPerToken(model, dtype), dtype.name).toBeCloseTo(expected[dtype.name]!, 3);
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
  ).toThrow(/possible: auto, bfloat16, float16, fp8, fp8_e4m3$/);
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

describe('a config.json', () => {
  const base = {
    num_hidden_layers: 12,
    hidden_size: 1024,
    num_attention_heads: 16,
    num_key_value_heads: 4,
    vocab_size: 1000,
    max_position_embeddings: 32_768,
  };
  const full = (layers: number) => ({ kind: 'full', layers, kvHeads: 4, headDim: 64 });
  const window = (layers: number, windowTokens: number) => ({
    kind: 'window',
    layers,
    kvHeads: 4,
    headDim: 64,
    windowTokens,
  });

  test.each([
    ['a window that is switched off', { sliding_window: 4096, use_sliding_window: false }, [full(12)]],
    ['a window as long as the context', { sliding_window: 32_768 }, [full(12)]],
    ['a window in every layer', { sliding_window: 4096 }, [window(12, 4096)]],
    [
      'a window with a pattern',
      { sliding_window: 512, sliding_window_pattern: 6 },
      [full(2), window(10, 512)],
    ],
    [
      'layers by name',
      {
        sliding_window: 128,
        layer_types: [
          ...Array<string>(6).fill('sliding_attention'),
          ...Array<string>(6).fill('full_attention'),
        ],
      },
      [full(6), window(6, 128)],
    ],
    [
      'chunked attention',
      { attention_chunk_size: 8192, layer_types: Array<string>(12).fill('chunked_attention') },
      [window(12, 8192)],
    ],
    [
      'MLA',
      { kv_lora_rank: 512, qk_rope_head_dim: 64 },
      [{ kind: 'mla', layers: 12, latentDim: 512, ropeDim: 64 }],
    ],
    [
      'sparse MLA',
      { kv_lora_rank: 512, qk_rope_head_dim: 64, index_head_dim: 128 },
      [
        { kind: 'mla', layers: 12, latentDim: 512, ropeDim: 64 },
        { kind: 'indexer', layers: 12, headDim: 128 },
      ],
    ],
    [
      'linear attention between full layers',
      {
        full_attention_interval: 4,
        linear_num_key_heads: 16,
        linear_key_head_dim: 128,
        linear_num_value_heads: 32,
        linear_value_head_dim: 128,
        linear_conv_kernel_dim: 4,
      },
      // 32 x 128 x 128 f32 values and three columns of 2 x 16 x 128 + 32 x 128 16-bit ones, for each of nine layers
      [full(3), { kind: 'state', layers: 9, bytesPerSequence: 9 * (32 * 128 * 128 * 4 + 8192 * 3 * 2) }],
    ],
  ])('with %s', (_, over, groups) => {
    expect(fromHfConfig({ ...base, ...over }, 'c').kvGroups).toEqual(groups);
  });
});

describe('numbers', () => {
  test('give the plan of the model that they describe', () => {
    const shape = fromNumbers('params=70.55e9, layers=80, kv-heads=8, head-dim=128, heads=64, hidden=8192');
    const named = planEngine(request('llama-3.1-70b'));
    const plan = planEngine({ ...request('llama-3.1-70b'), model: shape });
    expect(plan.kvBytesPerToken).toEqual(named.kvBytesPerToken);
    expect([plan.tensorParallelSize, plan.kvCacheTokens]).toEqual([4, named.kvCacheTokens]);
  });

  test.each([
    ['layers=80', /params, kv-heads, head-dim missing/],
    ['layers=x', /expected layers to be a number above 0, got "x"/],
    ['layer=80', /unknown member "layer"; known: params/],
  ])('%s is refused', (text, message) => expect(() => fromNumbers(text)).toThrow(message));
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

test('the context of a probe is taken from the cache', () => {
  const without = planEngine(request('llama-3.1-70b')).memory.kvCacheBytes;
  const { kvCacheBytes } = planEngine(request('llama-3.1-70b', { probeBytes: 512 * 1024 ** 2 })).memory;
  expect(without - kvCacheBytes).toBe(512 * 1024 ** 2);
});

test('the command is in the words of the program that is installed', () => {
  const plan = planEngine(request('llama-3.1-70b'));
  const flags = (...names: string[]): Set<string> =>
    new Set([
      ...['--tensor-parallel-size', '--gpu-memory-utilization', '--max-model-len', '--max-num-seqs'],
      ...['--max-num-batched-tokens', '--kv-cache-dtype', ...names],
    ]);
  const old = { version: '0.12.0', flags: flags('--cuda-graph-sizes'), unknown: '' };
  const { argv, env } = vllmCommandFor(plan, old);
  expect(argv).toContain('--cuda-graph-sizes');
  expect(env).toEqual({ VLLM_ATTENTION_BACKEND: 'FLASH_ATTN' });
  expect(() => vllmCommandFor(plan, { ...old, version: '0.29.0', flags: flags() })).toThrow(
    /--attention-backend is not a flag of vLLM 0\.29\.0; --cudagraph-capture-sizes is not/,
  );
  expect(vllmCommandFor(plan, { version: '0.26.0', flags: null, unknown: 'x' }, 'bytes').argv).toContain(
    '--kv-cache-memory-bytes',
  );
});

test('every KV dtype states what it does to quality', () => {
  for (const { quality } of kvDtypes) expect(quality.length).toBeGreaterThan(10);
});

describe('parameters counted from a config.json', () => {
  // The published totals: deepseek-ai/DeepSeek-V2-Lite 15.7 B, DeepSeek-V3 671 B, meta-llama/Llama-4-Maverick 400 B.
  const v2Lite = {
    ...{ hidden_size: 2048, intermediate_size: 10_944, num_attention_heads: 16, num_hidden_layers: 27 },
    ...{ kv_lora_rank: 512, q_lora_rank: null, qk_nope_head_dim: 128, qk_rope_head_dim: 64, v_head_dim: 128 },
    ...{ n_routed_experts: 64, n_shared_experts: 2, moe_intermediate_size: 1408, first_k_dense_replace: 1 },
    ...{ vocab_size: 102_400, max_position_embeddings: 163_840 },
  };
  const v3 = {
    ...{ hidden_size: 7168, intermediate_size: 18_432, num_attention_heads: 128, num_hidden_layers: 61 },
    ...{ kv_lora_rank: 512, q_lora_rank: 1536, qk_nope_head_dim: 128, qk_rope_head_dim: 64, v_head_dim: 128 },
    ...{ n_routed_experts: 256, n_shared_experts: 1, moe_intermediate_size: 2048, first_k_dense_replace: 3 },
    ...{ vocab_size: 129_280, max_position_embeddings: 163_840 },
  };
  const maverick = {
    ...{ hidden_size: 5120, intermediate_size: 8192, num_attention_heads: 40, num_hidden_layers: 48 },
    ...{ num_key_value_heads: 8, head_dim: 128, num_local_experts: 128, interleave_moe_layer_step: 2 },
    ...{ intermediate_size_mlp: 16_384, vocab_size: 202_048, max_position_embeddings: 1_048_576 },
  };
  const mixtral = {
    ...{ hidden_size: 4096, intermediate_size: 14_336, num_attention_heads: 32, num_hidden_layers: 32 },
    ...{ num_key_value_heads: 8, num_local_experts: 8, vocab_size: 32_000, max_position_embeddings: 32_768 },
  };

  test.each([
    ['MLA with dense and shared parts', v2Lite, 15.71e9],
    ['MLA with a latent for the queries', v3, 671.0e9],
    ['experts in every second layer', maverick, 400.7e9],
    ['experts in every layer', mixtral, 46.7e9],
  ])('%s', (_, config, total) => {
    expect(Math.abs(fromHfConfig(config, 'c').parameters / total - 1)).toBeLessThan(0.005);
  });
});

describe('a plan for the devices of a node', () => {
  const wish = {
    ...{ model: 'llama-3.1-405b', sequences: 0, contextTokens: 0, weightBits: 8, kvCacheDtype: '' },
    engineId: '',
  };
  const devices = Array.from({ length: 8 }, (_, index) => {
    const device = aDeviceStatus(index);
    return { ...device, identity: { ...device.identity, name: 'NVIDIA H100 80GB HBM3' } };
  });
  const program = { version: '0.26.0', flags: null, unknown: '' };

  test('takes the context of the probe off the cache', () => {
    const [node, bare] = [
      planForNode(devices, wish, program, null),
      planEngine({ ...request('llama-3.1-405b'), weightBits: 8 }),
    ];
    expect(node.kvCacheTokens).toBeLessThan(bare.kvCacheTokens);
    expect(node.kvCacheTokens).toBe(
      planEngine({ ...request('llama-3.1-405b'), weightBits: 8, probeBytes: defaultProbeBytes })
        .kvCacheTokens,
    );
  });

  test('keeps tensor parallelism within the GPUs that have an active NVLink', () => {
    const four = devices.slice(0, 4).map(({ identity }) => identity.uuid);
    const plan = planForNode(devices, wish, program, null, (uuid) => four.includes(uuid));
    expect(plan).toMatchObject({ tensorParallelSize: 4, pipelineParallelSize: 2 });
    expect(plan.notes).toContain('tensor parallelism stays within the 4 GPUs that NVLink joins');
  });

  test('asks nothing of links that nobody has read', () => {
    expect(planForNode(devices, wish, program, null, () => null).tensorParallelSize).toBe(8);
  });
});
