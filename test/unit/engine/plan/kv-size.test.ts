// Golden bytes per token of every model of the catalogue, in every KV dtype.
import { describe, expect, test } from 'vitest';
import { gpuProfiles } from '../../../../src/domain/gpu-profiles.js';
import { supportedDtypes } from '../../../../src/engine/plan/choose-kv-dtype.js';
import {
  kvBytesPerSequence,
  kvBytesPerToken,
  kvDtype,
  kvDtypes,
} from '../../../../src/engine/plan/kv-size.js';
import { catalogueModels, findModel, toShape } from '../../../../src/engine/plan/model-catalogue.js';
import { planEngine } from '../../../../src/engine/plan/plan-engine.js';
import { aPlanRequest as request } from '../../../support/plan-request.js';

const kibibyte = 1024;

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

test('every KV dtype states what it does to quality', () => {
  for (const { quality } of kvDtypes) expect(quality.length).toBeGreaterThan(10);
});
