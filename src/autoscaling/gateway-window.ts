/**
 * What the gateway did for one model in the last minute: the difference between its newest counts and the oldest that still lie in
 * the window. Counts that fall belong to other processes than before (a restart, a worker that was replaced): the window
 * starts anew, and until there is a second reading nothing is known.
 */
import type { GatewayCounts, HistogramCounts } from '../domain/gateway-counts.js';

export interface GatewayRates {
  /** Requests per second that ended, those turned away included. */
  requestsPerSecond: number;
  /** Those that were answered in full. */
  answersPerSecond: number;
  timeToFirstToken: LatencySample;
  interToken: LatencySample;
}

/** Latencies of the window. */
export interface LatencySample {
  count: number;
  /** Seconds; `null` without a sample. Linear inside a bucket, as Prometheus' histogram_quantile. */
  quantile(q: number): number | null;
}

export const windowMs = 60_000;
/** Readings in the window; bounds it whatever the interval. */
const maxReadings = 128;

export class GatewayWindow {
  readonly #readings: { atMs: number; counts: GatewayCounts }[] = [];

  add(counts: GatewayCounts, atMs: number): void {
    const last = this.#readings.at(-1);
    if (last && fell(last.counts, counts)) this.#readings.length = 0;
    this.#readings.push({ atMs, counts });
    // One reading older than the window stays, or a window would be shorter than it says.
    while (this.#readings.length > maxReadings || (this.#readings[1]?.atMs ?? atMs) < atMs - windowMs)
      this.#readings.shift();
  }

  get latest(): GatewayCounts | null {
    return this.#readings.at(-1)?.counts ?? null;
  }

  /** `null` before the second reading. */
  rates(): GatewayRates | null {
    const first = this.#readings[0];
    const last = this.#readings.at(-1);
    if (!first || !last || last.atMs <= first.atMs) return null;
    const seconds = (last.atMs - first.atMs) / 1000;
    return {
      requestsPerSecond: (last.counts.requests - first.counts.requests) / seconds,
      answersPerSecond: (last.counts.answers - first.counts.answers) / seconds,
      timeToFirstToken: sampleOf(first.counts.timeToFirstToken, last.counts.timeToFirstToken),
      interToken: sampleOf(first.counts.interToken, last.counts.interToken),
    };
  }
}

function fell(before: GatewayCounts, after: GatewayCounts): boolean {
  const pairs = [
    [before.timeToFirstToken, after.timeToFirstToken],
    [before.interToken, after.interToken],
  ] as const;
  return (
    after.requests < before.requests ||
    pairs.some(([a, b]) => a.atMost.some((count, i) => (b.atMost[i] ?? 0) < count))
  );
}

function sampleOf(before: HistogramCounts, after: HistogramCounts): LatencySample {
  const { bounds } = after;
  const atMost = after.atMost.map((count, i) => count - (before.atMost[i] ?? 0));
  const count = atMost.at(-1) ?? 0;
  return { count, quantile: (q) => (count > 0 ? quantileOf(bounds, atMost, q * count) : null) };
}

/** Beyond the last finite bound it is that bound: more is not known. */
function quantileOf(bounds: readonly number[], atMost: readonly number[], rank: number): number {
  const i = atMost.findIndex((count) => count >= rank);
  const upper = bounds[i] ?? Infinity;
  const lower = bounds[i - 1] ?? 0;
  if (!Number.isFinite(upper)) return lower;
  const below = atMost[i - 1] ?? 0;
  const inside = (atMost[i] ?? 0) - below;
  return inside > 0 ? lower + (upper - lower) * ((rank - below) / inside) : upper;
}
