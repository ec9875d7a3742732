/** The gateway's own series as numbers by model, for whoever decides by them; of several processes they are added up. */
import type { GatewayCounts, HistogramCounts } from '../../domain/gateway-counts.js';

/** As prom-client's `getMetricsAsJSON` gives them. */
interface MetricJson {
  name: string;
  values: readonly { labels: Partial<Record<string, string | number>>; value: number; metricName?: string }[];
}

const ttft = 'infernode_gateway_time_to_first_token_seconds';
const interToken = 'infernode_gateway_inter_token_latency_seconds';
/** The series that are read; a process need not send others. */
export const countedSeries = [
  'infernode_gateway_requests_total',
  'infernode_gateway_queued_requests',
  'infernode_gateway_queued_tokens',
  ttft,
  interToken,
];

/** `modelOf` leads a label (an adapter's name, say) to its model. */
export function countRequests(
  metrics: readonly object[],
  modelOf: (label: string) => string = (label) => label,
): Map<string, GatewayCounts> {
  const byModel = new Map<
    string,
    { sums: Map<string, number>; answers: number; buckets: Map<string, Map<number, number>> }
  >();
  for (const { name, values } of metrics as readonly MetricJson[]) {
    if (!countedSeries.includes(name)) continue;
    for (const { labels, value, metricName = name } of values) {
      const model = modelOf(String(labels['model'] ?? ''));
      let known = byModel.get(model);
      if (!known) byModel.set(model, (known = { sums: new Map(), answers: 0, buckets: new Map() }));
      if (metricName.endsWith('_bucket')) {
        const buckets = known.buckets.get(name) ?? new Map<number, number>();
        known.buckets.set(name, buckets);
        const bound = labels['le'] === '+Inf' ? Infinity : Number(labels['le']);
        buckets.set(bound, (buckets.get(bound) ?? 0) + value);
      } else if (metricName === name) {
        known.sums.set(name, (known.sums.get(name) ?? 0) + value);
        if (labels['outcome'] === 'ok') known.answers += value;
      }
    }
  }
  return new Map(
    [...byModel].map(([model, { sums, answers, buckets }]) => [
      model,
      {
        requests: sums.get('infernode_gateway_requests_total') ?? 0,
        answers,
        queuedRequests: sums.get('infernode_gateway_queued_requests') ?? 0,
        queuedTokens: sums.get('infernode_gateway_queued_tokens') ?? 0,
        timeToFirstToken: histogramOf(buckets.get(ttft)),
        interToken: histogramOf(buckets.get(interToken)),
      },
    ]),
  );
}

function histogramOf(buckets: ReadonlyMap<number, number> = new Map()): HistogramCounts {
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  return { bounds: sorted.map(([bound]) => bound), atMost: sorted.map(([, count]) => count) };
}
