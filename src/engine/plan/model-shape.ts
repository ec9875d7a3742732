/**
 * What a plan needs to know of a model: weights and the groups of layers that share one KV-cache layout. It comes from
 * the catalogue, from a `config.json`, or from numbers.
 */
export type KvGroup =
  | { kind: 'full'; layers: number; kvHeads: number; headDim: number }
  /** Holds about `windowTokens` per sequence, whatever its length. */
  | { kind: 'window'; layers: number; kvHeads: number; headDim: number; windowTokens: number }
  /** One latent per token and layer, the same on every tensor-parallel rank. */
  | { kind: 'mla'; layers: number; latentDim: number; ropeDim: number }
  /** Key cache of a sparse-attention indexer beside MLA: one fp8 key with a 4-byte scale per token and layer. */
  | { kind: 'indexer'; layers: number; headDim: number }
  /** Constant per sequence, in bytes over all layers. */
  | { kind: 'state'; layers: number; bytesPerSequence: number };

export interface ModelShape {
  id: string;
  layers: number;
  hiddenSize: number;
  attentionHeads: number;
  vocabSize: number;
  maxContextTokens: number;
  parameters: number;
  /** Bits per weight of the published checkpoint. */
  checkpointBits: number;
  kvGroups: KvGroup[];
}

export const usesMla = (model: ModelShape): boolean => model.kvGroups.some(({ kind }) => kind === 'mla');
export const isHybrid = (model: ModelShape): boolean =>
  model.kvGroups.some(({ kind }) => kind === 'state' || kind === 'window');
