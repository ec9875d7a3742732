import { Counter, Gauge, type Registry } from 'prom-client';
import { removeSeries } from '../runtime/remove-series.js';
import { FastHistogram } from './observe/fast-histogram.js';

/** Bucket boundaries as in vLLM's own histograms, so that both sides of a request can be laid over each other. */
export const ttftBuckets = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640,
  2560,
];
export const itlBuckets = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
];
export const e2eBuckets = [
  0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
];

/** How a client's request ended; also log field. */
export type RequestOutcome =
  | 'ok'
  /** Refused here: bad request, key, path, size. */
  | 'rejected'
  /** The engine's own 4xx, passed on. */
  | 'client-error'
  /** The engine's 5xx or in-band error event, passed on. */
  | 'engine-error'
  /** No endpoint could be reached; a coded error was sent. */
  | 'unavailable'
  /** 429 by the gateway itself. */
  | 'queue-full'
  /** Cut after the first byte. */
  | 'interrupted'
  /** Ended by the engine without finish reason or `[DONE]`. */
  | 'truncated'
  | 'client-gone';

/** Model label of requests whose model is not served: what clients send must not create series. */
export const unknownModel = 'unknown';

export class GatewayMetrics {
  readonly requests: Counter<'model' | 'route' | 'status' | 'outcome'>;
  readonly attempts: Counter<'result'>;
  readonly reroutes: Counter<'reason'>;
  readonly retries: Counter<'reason'>;
  readonly budgetDenied: Counter;
  readonly ttft: FastHistogram;
  readonly interToken: FastHistogram;
  readonly endToEnd: FastHistogram;
  readonly inFlight: Gauge;
  readonly queued: Gauge<'model'>;
  readonly queuedTokens: Gauge<'model'>;
  readonly queueRejected: Counter<'reason'>;
  readonly queueWait: FastHistogram;
  readonly promptTokens: Counter<'model'>;
  readonly cachedTokens: Counter<'model'>;
  readonly completionTokens: Counter<'model'>;
  readonly placements: Counter<'outcome'>;
  readonly followUps: Counter<'response'>;
  readonly forgottenResponses: Counter;
  readonly pauses: Counter;
  readonly unreadEvents: Counter;
  readonly relayedEvents: Counter;
  readonly badConnections: Counter<'reason'>;
  readonly degraded: Gauge<'model' | 'step'>;
  readonly rateLimited: Counter<'scope' | 'what'>;
  readonly keyRequests: Counter<'key'>;
  readonly keyTokens: Counter<'key' | 'kind'>;
  readonly sharedStoreFailures: Counter<'operation'>;

  #expiresAtMs: () => number | null = () => null;

  constructor(registry: Registry) {
    const registers = [registry];
    const counter = <L extends string>(what: string, help: string, labelNames: L[] = []): Counter<L> =>
      new Counter({ name: `infernode_gateway_${what}_total`, help, labelNames, registers });
    const histogram = (what: string, help: string, buckets: number[]): FastHistogram =>
      new FastHistogram(`infernode_gateway_${what}_seconds`, help, buckets, registry);
    this.requests = counter('requests', 'Requests by how they ended', [
      'model',
      'route',
      'status',
      'outcome',
    ]);
    this.attempts = counter('attempts', 'Attempts at endpoints by result', ['result']);
    this.reroutes = counter('reroutes', 'Attempts at another endpoint, by what made them necessary', [
      'reason',
    ]);
    this.retries = counter('retries', 'Attempts repeated at the same endpoint', ['reason']);
    this.budgetDenied = counter(
      'retry_budget_denied',
      'Reroutes not made because the retry budget was spent',
    );
    this.ttft = histogram(
      'time_to_first_token',
      'From the request to its first token, of answers that stream',
      ttftBuckets,
    );
    this.interToken = histogram(
      'inter_token_latency',
      'Gap between arrivals of tokens; tokens that arrive together count once',
      itlBuckets,
    );
    this.endToEnd = histogram('e2e_request_latency', 'From the request to its last byte', e2eBuckets);
    this.queueWait = histogram(
      'queue_wait',
      'Time in the admission queue, of requests that left it',
      e2eBuckets,
    );
    this.inFlight = new Gauge({
      name: 'infernode_gateway_in_flight_requests',
      help: 'Requests not ended yet',
      registers,
    });
    this.queued = new Gauge({
      name: 'infernode_gateway_queued_requests',
      help: 'Requests that wait for an endpoint',
      labelNames: ['model'],
      registers,
    });
    this.queuedTokens = new Gauge({
      name: 'infernode_gateway_queued_tokens',
      help: 'Prompt tokens of requests that wait for an endpoint',
      labelNames: ['model'],
      registers,
    });
    this.queueRejected = counter('queue_rejected', 'Requests the queue turned away or gave up', ['reason']);
    this.promptTokens = counter('prompt_tokens', 'Prompt tokens as reported by the engines', ['model']);
    this.cachedTokens = counter('cached_prompt_tokens', 'Prompt tokens the engines found in their cache', [
      'model',
    ]);
    this.completionTokens = counter('completion_tokens', 'Tokens generated, as reported by the engines', [
      'model',
    ]);
    this.placements = counter('placements', 'Placement decisions by outcome', ['outcome']);
    this.followUps = counter(
      'response_follow_ups',
      'Requests that refer to a stored response, by whether its engine is known, gone or unknown',
      ['response'],
    );
    this.forgottenResponses = counter(
      'forgotten_responses',
      'Responses whose engine was forgotten because too many are remembered',
    );
    this.pauses = counter('upstream_pauses', 'Times an upstream was paused because its client reads slowly');
    this.unreadEvents = counter(
      'unread_events',
      'Events too large to be read for usage; they were passed on',
    );
    this.relayedEvents = counter(
      'relayed_events',
      'Events that the native relay carried, because nothing in them had to be read',
    );
    this.degraded = new Gauge({
      name: 'infernode_gateway_degraded',
      help: 'Degradation steps in force: 1 while one is',
      labelNames: ['model', 'step'],
      registers,
    });
    this.rateLimited = counter('rate_limited', 'Requests beyond the limits of their key or tenant', [
      'scope',
      'what',
    ]);
    this.keyRequests = counter('key_requests', 'Requests that were forwarded, by key', ['key']);
    this.keyTokens = counter('key_tokens', 'Tokens used, by key; as reported by the engines, else counted', [
      'key',
      'kind',
    ]);
    this.sharedStoreFailures = counter(
      'shared_store_failures',
      'Operations that the shared store did not answer',
      ['operation'],
    );
    this.badConnections = counter(
      'bad_connections',
      'Connections ended for malformed or late HTTP, a failed TLS handshake, or beyond their number',
      ['reason'],
    );
    const expiresAtMs = (): number | null => this.#expiresAtMs();
    new Gauge({
      name: 'infernode_gateway_certificate_expiry_timestamp_seconds',
      help: 'End of the validity of the certificate in use, seconds since 1970; no series without tls',
      aggregator: 'min',
      registers,
      collect() {
        const atMs = expiresAtMs();
        this.reset();
        if (atMs !== null) this.set(atMs / 1000);
        else this.remove();
      },
    });
  }

  /** Whose certificate it is; asked at each scrape, because it may be replaced. */
  observeCertificate(expiresAtMs: () => number | null): void {
    this.#expiresAtMs = expiresAtMs;
  }

  /** Models that have series. */
  async models(): Promise<Set<string>> {
    return new Set((await this.requests.get()).values.map(({ labels }) => String(labels.model)));
  }

  /** Removes the series of a model; requests that wait for it keep theirs. */
  async forget(model: string): Promise<void> {
    for (const histogram of [this.ttft, this.interToken, this.endToEnd, this.queueWait])
      histogram.remove(model);
    const counters = [this.requests, this.promptTokens, this.cachedTokens, this.completionTokens];
    await removeSeries(counters, 'model', model);
    const queued = (await this.queued.get()).values.find(({ labels }) => labels.model === model);
    if (queued?.value === 0) this.queued.remove({ model });
  }
}
