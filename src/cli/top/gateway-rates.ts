import { eachSeries, labelOf } from '../../engine/read-series.js';

/** What the gateway did between two looks at its metrics. */
export interface GatewayRates {
  requestsPerSecond: number;
  tokensPerSecond: number;
  /** Of requests that got their first token in between; `null` without any. */
  ttftP50Seconds: number | null;
  ttftP90Seconds: number | null;
}

export interface GatewayCounts {
  atMs: number;
  requests: number;
  tokens: number;
  /** Requests by upper bound of their bucket, cumulative as Prometheus has them; +Infinity last. */
  ttft: ReadonlyMap<number, number>;
}

/** Sums over models out of a coordinator's metrics page. */
export function countsOf(page: string, atMs: number): GatewayCounts {
  const ttft = new Map<number, number>();
  eachSeries(page, 'infernode_gateway_time_to_first_token_seconds_bucket', (labels, value) => {
    const le = labelOf(labels, 'le');
    const bound = le === '+Inf' ? Infinity : Number(le);
    if (le !== null && !Number.isNaN(bound)) ttft.set(bound, (ttft.get(bound) ?? 0) + value);
  });
  // Engines report the tokens of a stream only to clients that ask for usage. What was seen to pass is there for every stream, and
  // counts tokens that arrive together once.
  const reportedTokens = sumOf(page, 'infernode_gateway_completion_tokens_total');
  const seenTokens =
    sumOf(page, 'infernode_gateway_time_to_first_token_seconds_count') +
    sumOf(page, 'infernode_gateway_inter_token_latency_seconds_count');
  return {
    atMs,
    requests: sumOf(page, 'infernode_gateway_requests_total'),
    tokens: Math.max(reportedTokens, seenTokens),
    ttft,
  };
}

/** `null` for the first look, and after a coordinator that started anew: its counters went back. */
export function ratesBetween(before: GatewayCounts | null, now: GatewayCounts): GatewayRates | null {
  const seconds = before === null ? 0 : (now.atMs - before.atMs) / 1000;
  if (before === null || seconds <= 0 || now.requests < before.requests || now.tokens < before.tokens)
    return null;
  const ttft = [...now.ttft]
    .map(([bound, count]): [number, number] => [bound, count - (before.ttft.get(bound) ?? 0)])
    .sort(([a], [b]) => a - b);
  return {
    requestsPerSecond: (now.requests - before.requests) / seconds,
    tokensPerSecond: (now.tokens - before.tokens) / seconds,
    ttftP50Seconds: quantile(ttft, 0.5),
    ttftP90Seconds: quantile(ttft, 0.9),
  };
}

/** Linear within the bucket, as Prometheus does it; in the last bucket its lower bound. */
function quantile(buckets: readonly [number, number][], share: number): number | null {
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  const rank = share * total;
  let [lower, below] = [0, 0];
  for (const [bound, count] of buckets) {
    if (count >= rank)
      return bound === Infinity
        ? lower
        : lower + ((bound - lower) * (rank - below)) / Math.max(1, count - below);
    [lower, below] = [bound, count];
  }
  return lower;
}

function sumOf(page: string, name: string): number {
  let sum = 0;
  eachSeries(page, name, (_labels, value) => (sum += Number.isFinite(value) ? value : 0));
  return sum;
}
