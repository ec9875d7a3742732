import type { KvGroup, ModelShape } from './model-shape.js';

/** One KV dtype that vLLM knows (`vllm-contract` 7.3), with what it costs and what it does to quality. */
export interface KvDtype {
  name: string;
  bitsPerElement: number;
  /** One 4-byte scale per token, head and side. */
  scalePerTokenHead: boolean;
  quality: string;
}

/** Quality figures are those of the source documents (perplexity) unless said otherwise; TurboQuant is left to its users. */
export const kvDtypes: readonly KvDtype[] = [
  { name: 'auto', bitsPerElement: 16, scalePerTokenHead: false, quality: 'the model dtype: no loss' },
  {
    name: 'fp8',
    bitsPerElement: 8,
    scalePerTokenHead: false,
    quality:
      'e4m3 with per-tensor scales, 1.0 unless the checkpoint brings calibrated ones: below 0.1 % perplexity',
  },
  {
    name: 'fp8_e5m2',
    bitsPerElement: 8,
    scalePerTokenHead: false,
    quality: 'more range, less precision than e4m3; FlashInfer and Triton only',
  },
  {
    name: 'int8_per_token_head',
    bitsPerElement: 8,
    scalePerTokenHead: true,
    quality: 'below 0.5 % perplexity; Triton back end',
  },
  {
    name: 'fp8_per_token_head',
    bitsPerElement: 8,
    scalePerTokenHead: true,
    quality: 'below 0.1 % perplexity; Triton back end',
  },
  {
    name: 'int4_per_token_head',
    bitsPerElement: 4,
    scalePerTokenHead: true,
    quality: '1 to 3 % perplexity; Triton back end',
  },
  {
    name: 'nvfp4',
    bitsPerElement: 4.5,
    scalePerTokenHead: false,
    quality: '4 bit with one fp8 scale per 16 values; FlashInfer on Blackwell',
  },
];

/** `fp8_ds_mla`, which sparse-attention models store when the dtype is fp8: 512 fp8 values, 16 bytes of scales and 64 bf16 rope values per token and layer. */
const fp8DsMlaBytes = 656;
const scaleBytes = 4;

const isSparseMla = (model: ModelShape): boolean => model.kvGroups.some(({ kind }) => kind === 'indexer');

export function kvDtype(name: string): KvDtype {
  const dtype = kvDtypes.find((candidate) => candidate.name === name);
  if (!dtype) throw new RangeError(`unknown KV dtype ${name}`);
  return dtype;
}

/**
 * Bytes of one token in the layers of one group on one GPU: `layers * heads per GPU * 2 * head dim * bytes`, where a
 * GPU holds at least one KV head, and MLA latents are on every tensor-parallel rank (`vllm-contract` 7.4).
 */
function groupBytesPerToken(
  group: KvGroup,
  dtype: KvDtype,
  tensorParallelSize: number,
  sparseMla: boolean,
): number {
  switch (group.kind) {
    case 'full':
    case 'window': {
      const heads = Math.max(1, group.kvHeads / tensorParallelSize);
      const scales = dtype.scalePerTokenHead ? scaleBytes : 0;
      return group.layers * heads * 2 * ((group.headDim * dtype.bitsPerElement) / 8 + scales);
    }
    case 'mla': {
      const elements = group.latentDim + group.ropeDim;
      return (
        group.layers *
        (sparseMla && dtype.name === 'fp8' ? fp8DsMlaBytes : (elements * dtype.bitsPerElement) / 8)
      );
    }
    case 'indexer':
      return group.layers * (group.headDim + scaleBytes);
    case 'state':
      return 0;
  }
}

/** Bytes per token over all layers that keep the whole context; one GPU of `tensorParallelSize`, or the model when it is 1. */
export function kvBytesPerToken(model: ModelShape, dtype: KvDtype, tensorParallelSize = 1): number {
  return sum(
    model.kvGroups
      .filter(({ kind }) => kind !== 'window' && kind !== 'indexer')
      .map((group) => groupBytesPerToken(group, dtype, tensorParallelSize, isSparseMla(model))),
  );
}

/** Bytes on one GPU of a pipeline stage for one sequence of `tokens`, windows and constant states included. */
export function kvBytesPerSequence(
  model: ModelShape,
  dtype: KvDtype,
  tokens: number,
  tensorParallelSize: number,
  pipelineParallelSize: number,
): number {
  const bytes = model.kvGroups.map((group) => {
    if (group.kind === 'state') return group.bytesPerSequence / tensorParallelSize;
    const held = group.kind === 'window' ? Math.min(tokens, group.windowTokens) : tokens;
    return held * groupBytesPerToken(group, dtype, tensorParallelSize, isSparseMla(model));
  });
  return sum(bytes) / pipelineParallelSize;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
