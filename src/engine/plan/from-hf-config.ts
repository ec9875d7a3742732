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
  use_sliding_window: z.boolean().nullish(),
  /** Every so many layers one is full. */
  sliding_window_pattern: z.int().positive().nullish(),
  attention_chunk_size: z.int().positive().nullish(),
  full_attention_interval: z.int().positive().nullish(),
  layer_types: z.array(z.string()).nullish(),
  linear_num_key_heads: z.int().positive().nullish(),
  linear_key_head_dim: z.int().positive().nullish(),
  linear_num_value_heads: z.int().positive().nullish(),
  linear_value_head_dim: z.int().positive().nullish(),
  linear_conv_kernel_dim: z.int().positive().nullish(),
  index_head_dim: z.int().positive().nullish(),
  kv_lora_rank: z.int().positive().nullish(),
  q_lora_rank: z.int().positive().nullish(),
  qk_nope_head_dim: z.int().positive().nullish(),
  qk_rope_head_dim: z.int().positive().nullish(),
  v_head_dim: z.int().positive().nullish(),
  num_experts: z.int().positive().optional(),
  num_local_experts: z.int().positive().optional(),
  n_routed_experts: z.int().positive().optional(),
  moe_intermediate_size: z.int().positive().optional(),
  n_shared_experts: z.int().nonnegative().nullish(),
  shared_expert_intermediate_size: z.int().nonnegative().nullish(),
  /** The first so many layers are dense; or every so many layers one has experts, and the others are that wide. */
  first_k_dense_replace: z.int().nonnegative().nullish(),
  interleave_moe_layer_step: z.int().positive().nullish(),
  intermediate_size_mlp: z.int().positive().nullish(),
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
  if (config.kv_lora_rank) return mlaGroups(config, config.kv_lora_rank);
  const kvHeads = config.num_key_value_heads ?? config.num_attention_heads;
  const headDim = headDimOf(config);
  const kinds = layerKinds(config);
  const count = (kind: LayerKind): number => kinds.filter((one) => one === kind).length;
  const windowTokens = config.attention_chunk_size ?? config.sliding_window ?? config.max_position_embeddings;
  const groups: KvGroup[] = [
    { kind: 'full', layers: count('full'), kvHeads, headDim },
    { kind: 'window', layers: count('window'), kvHeads, headDim, windowTokens },
    { kind: 'state', layers: count('state'), bytesPerSequence: count('state') * stateBytes(config) },
  ];
  return groups.filter((group) => group.layers > 0);
}

function mlaGroups(config: HfConfig, latentDim: number): KvGroup[] {
  const layers = config.num_hidden_layers;
  const mla: KvGroup = { kind: 'mla', layers, latentDim, ropeDim: config.qk_rope_head_dim ?? 0 };
  return config.index_head_dim ? [mla, { kind: 'indexer', layers, headDim: config.index_head_dim }] : [mla];
}

type LayerKind = 'full' | 'window' | 'state';

/** One kind per layer: as listed, else by the pattern, else all alike. A window as long as the context is none. */
function layerKinds(config: HfConfig): LayerKind[] {
  const layers = config.num_hidden_layers;
  const all = (kind: (at: number) => LayerKind): LayerKind[] =>
    Array.from({ length: layers }, (_, at) => kind(at));
  if (config.layer_types) {
    const types = config.layer_types.slice(0, layers);
    return types.map((type) =>
      /sliding|chunked/.test(type) ? 'window' : /linear|mamba|recurrent/.test(type) ? 'state' : 'full',
    );
  }
  const {
    full_attention_interval: interval,
    sliding_window_pattern: pattern,
    sliding_window: window,
  } = config;
  if (interval) return all((at) => ((at + 1) % interval === 0 ? 'full' : 'state'));
  const windowed =
    Boolean(window) && config.use_sliding_window !== false && (window ?? 0) < config.max_position_embeddings;
  if (!windowed) return all(() => 'full');
  return all((at) => (pattern && (at + 1) % pattern === 0 ? 'full' : 'window'));
}

/** Gated linear attention, as in the catalogue: an f32 matrix per value head, and a 16-bit convolution window. */
function stateBytes(config: HfConfig): number {
  const keys = (config.linear_num_key_heads ?? 0) * (config.linear_key_head_dim ?? 0);
  const values = (config.linear_num_value_heads ?? 0) * (config.linear_value_head_dim ?? 0);
  const matrix = values * (config.linear_key_head_dim ?? 0) * 4;
  return matrix + (2 * keys + values) * Math.max(0, (config.linear_conv_kernel_dim ?? 1) - 1) * 2;
}

const headDimOf = (config: HfConfig): number =>
  config.head_dim ?? Math.floor(config.hidden_size / config.num_attention_heads);

/** Embeddings, attention and gated feed-forward; norms and biases are left out, as in the catalogue. */
function countParameters(config: HfConfig): number {
  const { hidden_size: hidden, num_hidden_layers: layers } = config;
  const embeddings = config.vocab_size * hidden * (config.tie_word_embeddings ? 1 : 2);
  return embeddings + layers * attentionParameters(config) + feedForwardParameters(config);
}

function attentionParameters(config: HfConfig): number {
  const { hidden_size: hidden, num_attention_heads: heads } = config;
  if (!config.kv_lora_rank)
    return 2 * hidden * headDimOf(config) * (heads + (config.num_key_value_heads ?? heads));
  // MLA: queries (through a latent of their own where there is one), the joint latent and its two projections, the output.
  const rope = config.qk_rope_head_dim ?? 0;
  const nope = config.qk_nope_head_dim ?? headDimOf(config);
  const value = config.v_head_dim ?? nope;
  const wide = heads * (nope + rope);
  const queries = config.q_lora_rank ? config.q_lora_rank * (hidden + wide) : hidden * wide;
  const latent = hidden * (config.kv_lora_rank + rope) + config.kv_lora_rank * heads * (nope + value);
  return queries + latent + heads * value * hidden;
}

/** Over all layers. A model with experts may have dense layers among them, and experts that every token passes. */
function feedForwardParameters(config: HfConfig): number {
  const { hidden_size: hidden, num_hidden_layers: layers, intermediate_size: wide = 4 * hidden } = config;
  const gated = (width: number): number => 3 * hidden * width;
  const experts = config.num_experts ?? config.num_local_experts ?? config.n_routed_experts ?? 1;
  if (experts <= 1) return layers * gated(wide);
  const step = config.interleave_moe_layer_step ?? 1;
  const dense =
    step > 1 ? layers - Math.floor(layers / step) : Math.min(layers, config.first_k_dense_replace ?? 0);
  const expert = config.moe_intermediate_size ?? wide;
  // Llama 4 has one shared expert of the routed ones' width and names the width of its dense layers apart.
  const implied = config.intermediate_size_mlp ? expert : 0;
  const shared = config.shared_expert_intermediate_size ?? (config.n_shared_experts ?? 0) * expert + implied;
  const router = hidden * experts;
  const sparse = experts * gated(expert) + gated(shared) + router;
  return dense * gated(config.intermediate_size_mlp ?? wide) + (layers - dense) * sparse;
}

function checkpointBits(config: HfConfig): number {
  const quantization = config.quantization_config;
  if (!quantization) return 16;
  return quantization.bits ?? (/fp8/i.test(quantization.quant_method ?? '') ? 8 : 4);
}
