import { InfernodeError } from '../../domain/error-codes.js';
import catalogue from './data/models.json' with { type: 'json' };
import type { KvGroup, ModelShape } from './model-shape.js';

/** A row of the data, as far as it is read here; the kinds of group carry different members. */
interface CatalogueGroup {
  kind: string;
  layers: number;
  kv_heads?: number;
  head_dim?: number;
  window_tokens?: number;
  latent_dim?: number;
  rope_dim?: number;
  key_heads?: number;
  key_head_dim?: number;
  value_heads?: number;
  value_head_dim?: number;
  conv_kernel?: number;
}

export interface CatalogueModel {
  id: string;
  num_hidden_layers: number;
  hidden_size: number;
  num_attention_heads: number;
  vocab_size: number;
  max_position_embeddings: number | null;
  params_total_b: number;
  checkpoint_quantization?: string;
  kv_groups: CatalogueGroup[];
  kv_bytes_per_token_16bit: { all_context_layers: number; windowed_layers: number };
}

export const catalogueModels = catalogue.models as unknown as readonly CatalogueModel[];

/** How many candidates an error names. */
const maxCandidates = 8;

/**
 * Finds a model by its exact id, else by its unique tail: the name without vendor, `Meta-` and `-hf` (weights in Hugging Face's
 * layout), case ignored; `llama-3.1-70b` is `meta-llama/Meta-Llama-3.1-70B`. Throws `argument-invalid` that lists the candidates,
 * the most alike first.
 */
export function findModel(name: string): ModelShape {
  const exact = catalogueModels.find(({ id }) => id === name);
  if (exact) return toShape(exact);
  const wanted = tail(name);
  const sameTail = catalogueModels.filter(({ id }) => tail(id) === wanted);
  if (sameTail.length === 1 && sameTail[0]) return toShape(sameTail[0]);
  const candidates = (sameTail.length > 1 ? sameTail : catalogueModels)
    .map(({ id }) => ({ id, alike: likeness(tail(id), wanted) }))
    .filter(({ alike }) => alike > 0)
    .sort((a, b) => b.alike - a.alike)
    .slice(0, maxCandidates)
    .map(({ id }) => id);
  throw new InfernodeError(
    'argument-invalid',
    `model "${name}" ${sameTail.length > 1 ? 'has several meanings' : 'is not in the catalogue'}; ${candidates.length ? `candidates: ${candidates.join(', ')}; ` : ''}or give its config.json`,
  );
}

const tail = (id: string): string =>
  (id.split('/').at(-1) ?? id)
    .toLowerCase()
    .replace(/^meta-/, '')
    .replace(/-hf$/, '');
/** `qwen2.5-72b` is `qwen`, `2.5`, `72`: people write the same name with and without hyphens. */
const wordsOf = (name: string): string[] => name.match(/[a-z]{2,}|\d+(?:\.\d+)?/g) ?? [];

/** Share of the words that both have; the first one, the family, counts twice. 0: nothing in common. */
function likeness(name: string, wanted: string): number {
  const [theirs, ours] = [wordsOf(name), wordsOf(wanted)];
  const shared = ours.filter((word) => theirs.includes(word)).length + (theirs[0] === ours[0] ? 1 : 0);
  return shared / (theirs.length + ours.length);
}

export function toShape(row: CatalogueModel): ModelShape {
  return {
    id: row.id,
    layers: row.num_hidden_layers,
    hiddenSize: row.hidden_size,
    attentionHeads: row.num_attention_heads,
    vocabSize: row.vocab_size,
    // Where the source does not state it, only the memory limits the context.
    maxContextTokens: row.max_position_embeddings ?? Number.MAX_SAFE_INTEGER,
    parameters: Math.round(row.params_total_b * 1e9),
    checkpointBits: checkpointBits(row.checkpoint_quantization),
    kvGroups: row.kv_groups.map(toGroup),
  };
}

function checkpointBits(quantization: string | undefined): number {
  if (quantization === undefined) return 16;
  return /fp8|int8/i.test(quantization) ? 8 : 4;
}

function toGroup(group: CatalogueGroup): KvGroup {
  const { layers, kv_heads: kvHeads = 0, head_dim: headDim = 0 } = group;
  switch (group.kind) {
    case 'full':
      return { kind: 'full', layers, kvHeads, headDim };
    case 'sliding_window':
    case 'chunked_local':
      return { kind: 'window', layers, kvHeads, headDim, windowTokens: group.window_tokens ?? 0 };
    case 'mla':
      return { kind: 'mla', layers, latentDim: group.latent_dim ?? 0, ropeDim: group.rope_dim ?? 0 };
    case 'sparse_indexer':
      return { kind: 'indexer', layers, headDim };
    default:
      return { kind: 'state', layers, bytesPerSequence: stateBytes(group) };
  }
}

/** Gated linear attention: one f32 matrix of key x value dim per value head, and a 16-bit convolution window. */
function stateBytes(group: CatalogueGroup): number {
  const {
    key_heads: keyHeads = 0,
    key_head_dim: keyDim = 0,
    value_heads: valueHeads = 0,
    value_head_dim: valueDim = 0,
    conv_kernel: kernel = 0,
  } = group;
  const matrix = valueHeads * keyDim * valueDim * 4;
  const convolution = (2 * keyHeads * keyDim + valueHeads * valueDim) * Math.max(0, kernel - 1) * 2;
  return group.layers * (matrix + convolution);
}
