import type { KvGroup, ModelShape } from './model-shape.js';

/** One KV dtype that vLLM knows (`vllm-contract` 7.3), with what it costs and what it does to quality. */
export interface KvDtype {
  name: string;
  bitsPerElement: number;
  /** One 4-byte scale per token, head and side. */
  scalePerTokenHead: boolean;
  quality: string;
}

const sixteenBit = { bitsPerElement: 16, scalePerTokenHead: false };
const eightBit = { bitsPerElement: 8, scalePerTokenHead: false };
const e4m3Quality =
  'e4m3 with per-tensor scales, 1.0 unless the checkpoint brings calibrated ones: below 0.1 % perplexity';

/** Quality figures are those of the source documents (perplexity) unless said otherwise. */
export const kvDtypes: readonly KvDtype[] = [
  { name: 'auto', ...sixteenBit, quality: 'the model dtype: no loss' },
  { name: 'bfloat16', ...sixteenBit, quality: 'no loss for a bfloat16 model' },
  { name: 'float16', ...sixteenBit, quality: 'no loss for a float16 model; a bfloat16 one may overflow' },
  { name: 'fp8', ...eightBit, quality: e4m3Quality },
  { name: 'fp8_e4m3', ...eightBit, quality: `the same as fp8: ${e4m3Quality}` },
  {
    name: 'fp8_e5m2',
    ...eightBit,
    quality: 'more range, less precision than e4m3; FlashInfer and Triton only',
  },
  { name: 'fp8_inc', ...eightBit, quality: 'e4m3 of Gaudi; not on NVIDIA GPUs' },
  {
    name: 'fp8_ds_mla',
    ...eightBit,
    quality:
      'sparse MLA only: 512 fp8 values with 4 scales, and the rope part in bf16: below 0.1 % perplexity',
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
  // Sizes and losses as published: so many times smaller than 16 bit, 1 to 21 % perplexity from the first to the last.
  ...(
    [
      ['turboquant_k8v4', 2.6],
      ['turboquant_4bit_nc', 3.8],
      ['turboquant_k3v4_nc', 3.5],
      ['turboquant_3bit_nc', 4.9],
    ] as const
  ).map(([name, timesSmaller]) => ({
    name,
    bitsPerElement: 16 / timesSmaller,
    scalePerTokenHead: false,
    quality: `about ${timesSmaller} times smaller; 1 to 21 % perplexity by model and kind; own back end`,
  })),
];

/** `fp8_ds_mla`, which sparse-attention models store when the dtype is fp8: 512 fp8 values, 16 bytes of scales and 64 bf16 rope values per token and layer. */
const fp8DsMlaBytes = 656;
const scaleBytes = 4;

const isSparseMla = (model: ModelShape): boolean => model.kvGroups.some(({ kind }) => kind === 'indexer');

/** What sparse-attention models store whichever of the names is given. */
const storesDsMla = ({ name }: KvDtype): boolean => ['fp8', 'fp8_e4m3', 'fp8_ds_mla'].includes(name);

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
        (sparseMla && storesDsMla(dtype) ? fp8DsMlaBytes : (elements * dtype.bitsPerElement) / 8)
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
