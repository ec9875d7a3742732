/**
 * Batch sizes that vLLM captures by default (`vllm-contract` 6): 1, 2, 4, then 8 to 248 by 8, then from 256 by 16, up to
 * min(2 x max sequences, 512) and never above the batched tokens.
 */
export function captureSizes(maxSequences: number, maxBatchedTokens: number): number[] {
  const max = Math.min(maxSequences * 2, 512, maxBatchedTokens);
  const sizes = [1, 2, 4];
  for (let size = 8; size < 256; size += 8) sizes.push(size);
  for (let size = 256; size <= 512; size += 16) sizes.push(size);
  return sizes.filter((size) => size <= max);
}
