import type { MetricFamily } from './metric-families.js';

export interface Series {
  /** Extra labels as printed, sorted by name; empty for plain families. */
  labels: Readonly<Record<string, string>>;
  value: number;
  /** Histograms only: observations per bucket, the last for +Inf, not accumulated. */
  buckets: Float64Array | null;
  count: number;
  createdSeconds: number;
}

export interface FamilySeries {
  family: MetricFamily;
  bounds: readonly number[];
  series: Map<string, Series>;
}

/** Values of the families that one engine shows; everything starts at 0 with the process. */
export class MetricStore {
  readonly families = new Map<string, FamilySeries>();

  constructor(families: readonly MetricFamily[], maxModelLength: number) {
    for (const family of families) {
      const bounds =
        family.buckets === 'per-model-length' ? lengthBuckets(maxModelLength) : (family.buckets ?? []);
      this.families.set(family.name, { family, bounds, series: new Map() });
      // Families with open label sets have no series before the first value.
      if (family.noModelName) continue;
      for (const labels of combinations(family.values ?? {})) this.#series(family.name, labels);
    }
  }

  add(name: string, amount = 1, labels: Readonly<Record<string, string>> = {}): void {
    const series = this.#series(name, labels);
    if (series) series.value += amount;
  }

  set(name: string, value: number, labels: Readonly<Record<string, string>> = {}): void {
    const series = this.#series(name, labels);
    if (series) series.value = value;
  }

  observe(name: string, value: number, labels: Readonly<Record<string, string>> = {}, times = 1): void {
    const family = this.families.get(name);
    const series = this.#series(name, labels);
    if (!family || !series?.buckets) return;
    let bucket = 0;
    while (bucket < family.bounds.length && value > family.bounds[bucket]!) bucket += 1;
    series.buckets[bucket]! += times;
    series.count += times;
    series.value += value * times;
  }

  /** Series of a family; made on first use. Null when this release has no such family. */
  #series(name: string, labels: Readonly<Record<string, string>>): Series | null {
    const family = this.families.get(name);
    if (!family) return null;
    const key = Object.values(labels).join('\0');
    let series = family.series.get(key);
    if (!series) {
      const buckets = family.family.type === 'histogram' ? new Float64Array(family.bounds.length + 1) : null;
      series = { labels, value: 0, buckets, count: 0, createdSeconds: Date.now() / 1000 };
      family.series.set(key, series);
    }
    return series;
  }
}

/** 1, 2, 5 times powers of ten, up to and including `limit` (8192 gives 1 ... 5000). */
export function lengthBuckets(limit: number): number[] {
  const bounds: number[] = [];
  for (let power = 1; power <= limit; power *= 10)
    for (const factor of [1, 2, 5]) if (factor * power <= limit) bounds.push(factor * power);
  return bounds;
}

function combinations(values: Readonly<Record<string, readonly string[]>>): Record<string, string>[] {
  let all: Record<string, string>[] = [{}];
  for (const [label, options] of Object.entries(values))
    all = all.flatMap((labels) => options.map((option) => ({ ...labels, [label]: option })));
  return all;
}
