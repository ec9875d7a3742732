/**
 * Batch sizes that vLLM captures by default (`vllm-contract` 6): 1, 2, 4, then 8 to 248 by 8, then from 256 by 16, up to
 * min(2 x max sequences, 512) and never above the batched tokens.
 */
export function captureSizes(maxSequences: number, maxBatchedTokens: number): number[] {
  const max = Math.min(maxSequences * 2, 512, maxBatchedTokens);
  return grid.filter((size) => size <= max);
}

const grid: readonly number[] = [
  ...[1, 2, 4],
  ...Array.from({ length: 31 }, (_, i) => 8 + 8 * i),
  ...Array.from({ length: 17 }, (_, i) => 256 + 16 * i),
];

/** Graphs beyond this many hardly save padding once the sizes are known. */
export const seenSizes = 16;
/** Sizes that a plan keeps even where memory is short: 1, 2, 4 and every second power beyond are worth more than blocks. */
export const fewestSizes = 8;
/** Of a device's memory, at most, for graphs: 4 GiB of 80, which vLLM's own 51 sizes reach for no common model. */
export const graphMemoryShare = 0.05;

/** Batches beyond this share of all may run eagerly: the rare peak is not worth a graph of its own. */
const coveredShare = 0.999;

/**
 * At most `most` sizes for the batches that were really seen (`counts[n]` looks met n requests): those that pad least in
 * sum, exactly, by dynamic programming over vLLM's own grid. The largest covers 99.9 % of the looks. Empty when nothing was seen.
 */
export function captureSizesFor(counts: readonly number[], most: number): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0 || most < 1) return [];
  let below = 0;
  const largest = counts.findIndex((count) => (below += count) >= total * coveredShare);
  const candidates = grid.slice(0, grid.findIndex((size) => size >= largest) + 1);
  return leastPadding(counts, candidates, Math.min(most, candidates.length));
}

/** `best[j]` with k sizes, the last of which is candidate j: padding of all batches up to it, and the sizes. */
function leastPadding(counts: readonly number[], candidates: readonly number[], most: number): number[] {
  const padding = (from: number, to: number): number => {
    const size = candidates[to] ?? 0;
    let sum = 0;
    for (let batch = (candidates[from] ?? 0) + 1; batch <= size; batch++)
      sum += (counts[batch] ?? 0) * (size - batch);
    return sum;
  };
  let best = candidates.map((size, j) => ({ cost: padding(-1, j), sizes: [size] }));
  for (let k = 2; k <= most; k++) {
    best = candidates.map((size, j) => {
      let winner = best[j]!;
      for (let i = 0; i < j; i++) {
        const cost = best[i]!.cost + padding(i, j);
        if (cost < winner.cost) winner = { cost, sizes: [...best[i]!.sizes, size] };
      }
      return winner;
    });
  }
  return best.at(-1)?.sizes ?? [];
}
