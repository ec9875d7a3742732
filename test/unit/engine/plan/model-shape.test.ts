// Where the shape of a model comes from: its name, its config.json, or numbers.
import { describe, expect, test } from 'vitest';
import { fromHfConfig } from '../../../../src/engine/plan/from-hf-config.js';
import { fromNumbers } from '../../../../src/engine/plan/from-numbers.js';
import { findModel } from '../../../../src/engine/plan/model-catalogue.js';
import { planEngine } from '../../../../src/engine/plan/plan-engine.js';
import { aPlanRequest as request } from '../../../support/plan-request.js';

describe('names', () => {
  test.each([
    ['meta-llama/Meta-Llama-3.1-70B', 'meta-llama/Meta-Llama-3.1-70B'],
    ['llama-3.1-70b', 'meta-llama/Meta-Llama-3.1-70B'],
    ['deepseek-v3', 'deepseek-ai/DeepSeek-V3'],
    ['llama-2-7b', 'meta-llama/Llama-2-7b-hf'],
  ])('%s is %s', (name, id) => expect(findModel(name).id).toBe(id));

  test('an unknown name lists the candidates, the most alike first', () => {
    expect(() => findModel('qwen-72b')).toThrow(/candidates: Qwen\/Qwen2\.5-72B/);
    expect(() => findModel('llama3')).toThrow(/candidates: (meta-llama\/[\w.-]+, ){3}/);
    expect(() => findModel('llama-3.1-70b-instruct')).toThrow(
      /candidates: meta-llama\/Meta-Llama-3\.1-70B, /,
    );
    expect(() => findModel('zzz')).toThrow(/is not in the catalogue; or give its config\.json/);
    expect(() => findModel('llama-2-13b')).toThrow(/candidates: meta-llama\/Llama-2-7b-hf,/);
    expect(() => findModel('llama-3.1-71b')).toThrow(
      /not in the catalogue; candidates: .*Meta-Llama-3.1-70B.*config\.json/,
    );
  });
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
