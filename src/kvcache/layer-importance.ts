/** How much a layer matters for eviction, after the source documents: (mean |K| + mean |V|) x (1 + variance of K V^T). */
import { InfernodeError } from '../domain/error-codes.js';

export interface LayerStatistics {
  meanAbsKey: number;
  meanAbsValue: number;
  /** Variance of the entries of K V^T. */
  productVariance: number;
}

/** One number per layer in [0, 1], the largest 1. Throws `argument-invalid` for statistics that are negative or not finite. */
export function layerImportance(layers: readonly LayerStatistics[]): number[] {
  const raw = layers.map((layer, i) => {
    const { meanAbsKey, meanAbsValue, productVariance } = layer;
    const importance = (meanAbsKey + meanAbsValue) * (1 + productVariance);
    if (!(meanAbsKey >= 0 && meanAbsValue >= 0 && productVariance >= 0 && Number.isFinite(importance)))
      throw new InfernodeError(
        'argument-invalid',
        `layers[${i}]: expected finite statistics of at least 0, got ${JSON.stringify(layer)}`,
      );
    return importance;
  });
  const largest = Math.max(0, ...raw);
  return raw.map((importance) => (largest === 0 ? 0 : importance / largest));
}

/** Share of a layer's blocks to keep: over 0.8 keeps 0.8, over 0.5 keeps 0.6, else 0.4 (the source documents' rule). */
export function keptShare(importance: number): number {
  if (importance > 0.8) return 0.8;
  return importance > 0.5 ? 0.6 : 0.4;
}
