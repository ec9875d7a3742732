// From outcomes to the figures, and from the figures to a table.

export function summarize({ outcomes, heldBack, seconds, cache, engines, reusable }) {
  const good = outcomes.filter(({ ok }) => ok);
  const ids = new Set([...engines.map(({ id }) => id), ...good.map(({ endpoint }) => endpoint ?? 'unknown')]);
  const endpoints = [...ids].sort().map((id) => describe(id, good, cache));
  const sum = (list, of) => list.reduce((total, item) => total + of(item), 0);
  const promptTokens = sum(good, (o) => o.promptTokens);
  const completionTokens = sum(good, (o) => o.completionTokens);
  return {
    requests: outcomes.length,
    errors: outcomes.length - good.length,
    errorKinds: countBy(outcomes.filter(({ ok }) => !ok).map(({ error }) => String(error).slice(0, 160))),
    rerouted: good.filter(({ attempts }) => attempts > 1).length,
    heldBack,
    seconds,
    promptTokens,
    completionTokens,
    completionTokensPerSecond: completionTokens / seconds,
    promptTokensPerSecond: promptTokens / seconds,
    ...hitRate(good, cache),
    reusableShare: reusable,
    ttftSeconds: quantiles(good.flatMap(({ ttftMs }) => (ttftMs === null ? [] : [ttftMs / 1000]))),
    endToEndSeconds: quantiles(good.map(({ durationMs }) => durationMs / 1000)),
    imbalance: {
      requests: maxOverMean(endpoints.map((e) => e.requests)),
      promptTokens: maxOverMean(endpoints.map((e) => e.promptTokens)),
    },
    endpoints,
  };
}

/** The engines know best; without their metrics, what they wrote into the answers. */
function hitRate(good, cache) {
  const counted = [...cache.values()].filter(({ queries }) => queries > 0);
  if (counted.length > 0) {
    const queries = counted.reduce((total, c) => total + c.queries, 0);
    const hits = counted.reduce((total, c) => total + c.hits, 0);
    return { tokenHitRate: hits / queries, hitRateFrom: 'engine metrics' };
  }
  const told = good.filter(({ cachedTokens }) => cachedTokens !== null);
  if (told.length === 0) return { tokenHitRate: null, hitRateFrom: 'nowhere: no engine metrics, no usage' };
  const prompt = told.reduce((total, o) => total + o.promptTokens, 0);
  const cached = told.reduce((total, o) => total + o.cachedTokens, 0);
  return { tokenHitRate: cached / prompt, hitRateFrom: 'usage of the answers' };
}

function describe(id, good, cache) {
  const own = good.filter(({ endpoint }) => (endpoint ?? 'unknown') === id);
  const use = cache.get(id);
  return {
    endpoint: id,
    requests: own.length,
    promptTokens: own.reduce((total, o) => total + o.promptTokens, 0),
    tokenHitRate: use && use.queries > 0 ? use.hits / use.queries : null,
    ttftP50Seconds: quantiles(own.flatMap(({ ttftMs }) => (ttftMs === null ? [] : [ttftMs / 1000]))).p50,
  };
}

function quantiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q) => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? null;
  const mean = sorted.length > 0 ? sorted.reduce((a, b) => a + b, 0) / sorted.length : null;
  return { mean, p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

function maxOverMean(values) {
  const sum = values.reduce((a, b) => a + b, 0);
  return sum === 0 ? null : (Math.max(...values) * values.length) / sum;
}

function countBy(keys) {
  const counts = {};
  for (const key of keys) counts[key] = (counts[key] ?? 0) + 1;
  return counts;
}

const percent = (ratio) => (ratio === null ? '-' : `${(100 * ratio).toFixed(1)} %`);
const seconds = (value) => (value === null ? '-' : `${value.toFixed(3)} s`);
const whole = (value) => Math.round(value).toLocaleString('en-US');
const ratio = (value) => (value === null ? '-' : value.toFixed(2));

export function renderTable({ input, cluster, model, options, result }) {
  const spread = ({ mean, p50, p95, p99 }) =>
    `p50 ${seconds(p50)}   p95 ${seconds(p95)}   p99 ${seconds(p99)}   mean ${seconds(mean)}`;
  const rows = [
    ['input', input],
    [
      'scales',
      `lengths x ${options.lengthScale}, time x ${options.timeScale}, at most ${options.concurrency} in flight`,
    ],
    ['gateway', `${cluster.gateway} (${cluster.origin}), model ${model}`],
    [
      'requests',
      `${result.requests} in ${result.seconds.toFixed(1)} s, ${result.rerouted} rerouted, ${result.heldBack} held back`,
    ],
    ['errors', String(result.errors)],
    [
      'token hit rate',
      `${percent(result.tokenHitRate)} (${result.hitRateFrom}); one endless cache: ${percent(result.reusableShare)}`,
    ],
    ['TTFT', spread(result.ttftSeconds)],
    ['end to end', spread(result.endToEndSeconds)],
    [
      'tokens/s',
      `${whole(result.completionTokensPerSecond)} generated, ${whole(result.promptTokensPerSecond)} of prompts`,
    ],
    [
      'load imbalance',
      `max/mean of requests ${ratio(result.imbalance.requests)}, of prompt tokens ${ratio(result.imbalance.promptTokens)}`,
    ],
  ];
  const errors = Object.entries(result.errorKinds).map(([kind, count]) => `  ${count} x ${kind}`);
  return [
    ...rows.map(([name, value]) => `${name.padEnd(16)}${value}`),
    ...errors,
    '',
    ...endpointTable(result),
  ].join('\n');
}

function endpointTable({ endpoints }) {
  const rows = [
    ['endpoint', 'requests', 'prompt tokens', 'hit rate', 'TTFT p50'],
    ...endpoints.map((e) => [
      e.endpoint,
      String(e.requests),
      whole(e.promptTokens),
      percent(e.tokenHitRate),
      seconds(e.ttftP50Seconds),
    ]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '),
  );
}
