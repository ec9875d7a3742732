import { z } from 'zod';
import { InfernodeError } from '../../domain/error-codes.js';
import type { KvGroup, ModelShape } from './model-shape.js';

/** The members of a Hugging Face `config.json` that a plan reads; everything else is passed over. */
const hfConfig = z.looseObject({
  num_hidden_layers: z.int().positive(),
  hidden_size: z.int().positive(),
  num_attention_heads: z.int().positive(),
  num_key_value_heads: z.int().positive().optional(),
  head_dim: z.int().positive().nullish(),
  intermediate_size: z.int().positive().optional(),
  vocab_size: z.int().positive(),
  max_position_embeddings: z.int().positive(),
  tie_word_embeddings: z.boolean().optional(),
  sliding_window: z.int().positive().nullish(),
  layer_types: z.array(z.string()).optional(),
  kv_lora_rank: z.int().positive().nullish(),
  qk_rope_head_dim: z.int().positive().nullish(),
  num_experts: z.int().positive().optional(),
  num_local_experts: z.int().positive().optional(),
  n_routed_experts: z.int().positive().optional(),
  moe_intermediate_size: z.int().positive().optional(),
  quantization_config: z
    .looseObject({ quant_method: z.string().optional(), bits: z.number().optional() })
    .optional(),
});
type HfConfig = z.infer<typeof hfConfig>;

/** Reads a `config.json`; a multi-modal one is read through its `text_config`. Throws `argument-invalid`. */
export function fromHfConfig(raw: unknown, id: string): ModelShape {
  const text =
    typeof raw === 'object' && raw !== null && 'text_config' in raw
      ? { ...raw, ...(raw.text_config as object) }
      : raw;
  const parsed = hfConfig.safeParse(text);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new InfernodeError(
      'argument-invalid',
      `${id}: not a model configuration: ${issue?.path.join('.')}: ${issue?.message}`,
    );
  }
  const config = parsed.data;
  return {
    id,
    layers: config.num_hidden_layers,
    hiddenSize: config.hidden_size,
    attentionHeads: config.num_attention_heads,
    vocabSize: config.vocab_size,
    maxContextTokens: config.max_position_embeddings,
    parameters: countParameters(config),
    checkpointBits: checkpointBits(config),
    kvGroups: kvGroups(config),
  };
}

function kvGroups(config: HfConfig): KvGroup[] {
  const layers = config.num_hidden_layers;
  if (config.kv_lora_rank)
    return [{ kind: 'mla', layers, latentDim: config.kv_lora_rank, ropeDim: config.qk_rope_head_dim ?? 0 }];
  const kvHeads = config.num_key_value_heads ?? config.num_attention_heads;
  const headDim = headDimOf(config);
  const windowed =
    config.layer_types?.filter((type) => type === 'sliding_attention' || type === 'chunked_attention')
      .length ?? (config.sliding_window ? layers : 0);
  const groups: KvGroup[] = [
    { kind: 'full', layers: layers - windowed, kvHeads, headDim },
    {
      kind: 'window',
      layers: windowed,
      kvHeads,
      headDim,
      windowTokens: config.sliding_window ?? config.max_position_embeddings,
    },
  ];
  return groups.filter((group) => group.layers > 0);
}

const headDimOf = (config: HfConfig): number =>
  config.head_dim ?? Math.floor(config.hidden_size / config.num_attention_heads);

/** Embeddings, attention and gated feed-forward; norms and biases are left out, as in the catalogue. */
function countParameters(config: HfConfig): number {
  const hidden = config.hidden_size;
  const kvHeads = config.num_key_value_heads ?? config.num_attention_heads;
  const attention = 2 * hidden * headDimOf(config) * (config.num_attention_heads + kvHeads);
  const experts = config.num_experts ?? config.num_local_experts ?? config.n_routed_experts ?? 1;
  const feedForward =
    3 *
    hidden *
    (experts > 1
      ? (config.moe_intermediate_size ?? config.intermediate_size ?? 4 * hidden)
      : (config.intermediate_size ?? 4 * hidden)) *
    experts;
  const embeddings = config.vocab_size * hidden * (config.tie_word_embeddings ? 1 : 2);
  return embeddings + config.num_hidden_layers * (attention + feedForward);
}

function checkpointBits(config: HfConfig): number {
  const quantization = config.quantization_config;
  if (!quantization) return 16;
  return quantization.bits ?? (/fp8/i.test(quantization.quant_method ?? '') ? 8 : 4);
}
