/**
 * From what the coordinator knows of a model to the signals of its scaling decision. Pure. What a replica says that cannot be true is
 * taken as not said, and the replica does not count as reporting: "not known" holds a fleet, and never shrinks it.
 */
import type { GatewayRates } from './gateway-window.js';
import type { ModelSignals } from './scaling-types.js';

/** One replica as the coordinator sees it. */
export interface ReplicaView {
  /** `node/engine`. */
  id: string;
  /** State of the engine, `asleep` included. */
  state: string;
  /** Neither cordoned, evicting nor on an unhealthy device: requests may go there when it is ready. */
  usable: boolean;
  /** Since its agent spoke last, ms; `null`: silent for too long. */
  ageMs: number | null;
  /** Of the engine's own metrics; `null` where not told. */
  kvCacheUsageRatio: number | null;
  waiting: number | null;
  gpuUtilizationRatio: number | null;
  /** As placement counts them: requests in flight, predicted uncached prompt tokens without a first token. */
  inFlight: number;
  /** Names of the GPUs that it runs on. */
  gpus: readonly string[];
  unprefilledTokens: number;
  /** Measured, `null` before any first token. */
  prefillTokensPerSecond: number | null;
}

/** One model as the coordinator sees it. */
export interface ModelView {
  model: string;
  slo: { ttftMs: number; itlMs: number };
  replicas: readonly ReplicaView[];
}

/** What the gateway says of a model; `null` members before anything can be said. */
export interface GatewayView {
  queuedRequests: number;
  queuedTokens: number;
  rates: GatewayRates | null;
  /** Of the counts, ms. */
  ageMs: number;
}

export function collectSignals(view: ModelView, gateway: GatewayView): ModelSignals {
  const ready = view.replicas.filter(({ state, usable }) => state === 'ready' && usable);
  const reporting = ready.filter(isSane);
  const count = (state: string) => view.replicas.filter((replica) => replica.state === state).length;
  const waiting = sum(reporting, ({ waiting: requests }) => requests ?? 0);
  return {
    model: view.model,
    replicas: { ready: ready.length, warming: count('starting'), asleep: count('asleep') },
    reporting: reporting.length,
    queue: { requests: gateway.queuedRequests + waiting, tokens: gateway.queuedTokens },
    running: sum(ready, ({ inFlight }) => inFlight),
    backlogSeconds: backlogSeconds(ready, gateway.queuedTokens),
    kvCacheUsage: kvCacheUsage(reporting, ready.length),
    sloRatio: sloRatio(view.slo, gateway.rates),
    sloSamples: gateway.rates?.timeToFirstToken.count ?? 0,
    ttftP99Ms: milliseconds(gateway.rates?.timeToFirstToken.quantile(0.99) ?? null),
    gpuUtilizationRatio: meanOf(reporting.map(({ gpuUtilizationRatio }) => gpuUtilizationRatio)),
    incomingPerSecond: gateway.rates?.requestsPerSecond ?? null,
    inputAgeMs: Math.max(gateway.ageMs, ...reporting.map(({ ageMs }) => ageMs ?? 0)),
  };
}

/** Its agent speaks, and what it says of the engine can be true. */
function isSane({ ageMs, kvCacheUsageRatio, waiting, gpuUtilizationRatio }: ReplicaView): boolean {
  const ratios = [kvCacheUsageRatio, gpuUtilizationRatio].every(
    (ratio) => ratio === null || within(ratio, 1),
  );
  return ageMs !== null && ratios && (waiting === null || within(waiting, 1e6));
}

const within = (value: number, most: number): boolean => value >= 0 && value <= most;

/** Tokens that nobody has prefilled / what the ready replicas prefill in a second; a replica that was not measured yet counts as the mean. */
function backlogSeconds(ready: readonly ReplicaView[], queuedTokens: number): number | null {
  const tokens = queuedTokens + sum(ready, ({ unprefilledTokens }) => unprefilledTokens);
  if (tokens === 0) return 0;
  const pace = meanOf(ready.map(({ prefillTokensPerSecond }) => prefillTokensPerSecond));
  return pace !== null && pace > 0 ? tokens / (pace * ready.length) : null;
}

/** Half of the ready replicas must tell theirs. */
function kvCacheUsage(reporting: readonly ReplicaView[], ready: number): ModelSignals['kvCacheUsage'] {
  const known = reporting.flatMap(({ kvCacheUsageRatio }) => kvCacheUsageRatio ?? []);
  if (known.length === 0 || known.length < ready / 2) return null;
  return { mean: known.reduce((a, b) => a + b, 0) / known.length, max: Math.max(...known) };
}

/**
 * p90 over target, the worse of the two. A model that nobody asks for keeps its promise, and so does one whose answers all come
 * whole: of those only backlog and queue tell. One whose requests get no token and no answer has an unknown ratio.
 */
function sloRatio({ ttftMs, itlMs }: ModelView['slo'], rates: GatewayRates | null): number | null {
  if (rates === null) return null;
  if (rates.timeToFirstToken.count === 0)
    return rates.requestsPerSecond === 0 || rates.answersPerSecond > 0 ? 0 : null;
  const ttft = (rates.timeToFirstToken.quantile(0.9) ?? 0) * 1000;
  const itl = (rates.interToken.quantile(0.9) ?? 0) * 1000;
  return Math.max(ttft / ttftMs, itl / itlMs);
}

function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value): value is number => value !== null && Number.isFinite(value));
  return known.length > 0 ? known.reduce((a, b) => a + b, 0) / known.length : null;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

const milliseconds = (seconds: number | null): number | null => (seconds === null ? null : seconds * 1000);
