/** What the simulator assumes of a model; read off its name, as there are no weights to look at. */
export interface ModelFacts {
  parametersBillion: number;
  /** K and V bytes of one token at 16 bit, over all GPUs. */
  kvBytesPerToken: number;
  maxModelLength: number;
  /** True for models that only embed. */
  pooling: boolean;
}

/** By size in billions: KV bytes per token of the common dense model of that size (Llama 3, Qwen 2.5). */
const kvBytesBySize: readonly [upToBillion: number, bytes: number][] = [
  [1, 24_576],
  [4, 114_688],
  [9, 131_072],
  [15, 196_608],
  [35, 262_144],
  [80, 327_680],
  [Infinity, 516_096],
];

/** Size when the name has none: the 8B that the default timing stands for. */
const defaultBillion = 8;
const defaultMaxModelLength = 131_072;

export function modelFacts(model: string): ModelFacts {
  const size = /(?:^|[-_/])(\d+(?:\.\d+)?)x?(?:\d+)?b(?:[-_.]|$)/i.exec(model)?.[1];
  const parametersBillion = size ? Number(size) : defaultBillion;
  const kvBytesPerToken = kvBytesBySize.find(([upTo]) => parametersBillion <= upTo)![1];
  const pooling = /embed|bge-|(?:^|\/)e5-|gte-/i.test(model);
  return { parametersBillion, kvBytesPerToken, maxModelLength: defaultMaxModelLength, pooling };
}

/** Bytes per parameter for `--quantization` and names that say FP8, AWQ and the like. */
export function weightBytesPerParameter(model: string, quantization: string | undefined): number {
  const text = `${model} ${quantization ?? ''}`;
  if (/awq|gptq|fp4|int4|w4a16|bitsandbytes/i.test(text)) return 0.55;
  return /fp8|int8|w8a8|modelopt/i.test(text) ? 1 : 2;
}

/** Bytes of one KV element relative to 16 bit. */
export function kvDtypeRatio(dtype: string): number {
  if (/^(nvfp4|int4)/.test(dtype)) return 0.28;
  return /^(fp8|int8)/.test(dtype) ? 0.5 : 1;
}
