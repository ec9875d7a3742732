/**
 * One gateway worker: the coordinator's gateway and placement in a process of its own, on a listening socket it shares with
 * its siblings. It watches no agents; what it knows of endpoints and of work placed elsewhere comes from the parent, and
 * it ends with it. Started by `gateway-workers.ts`, by no person.
 */
import { Registry } from 'prom-client';
import { ModelDirectory } from './cluster/model-directory.js';
import type { EndpointListener, EndpointNews } from './cluster/endpoint-registry.js';
import { defaultModelConfig, type CoordinatorConfig } from './config/coordinator-config.js';
import { messageOf } from './domain/error-codes.js';
import type { EndpointState } from './domain/endpoint.js';
import { ForgetModels } from './gateway/observe/forget-models.js';
import { GatewayMetrics } from './gateway/gateway-metrics.js';
import { Gateway } from './gateway/gateway-server.js';
import { wordsWorthReading } from './gateway/relay/sse-observer.js';
import {
  eventsOf,
  Pacer,
  paces,
  pastOf,
  WorkJournal,
  type FromWorker,
  type ToWorker,
  type WorkBatch,
  type WorkEvent,
} from './gateway-worker-channel.js';
import { openEventRelay } from './native/event-relay.js';
import { readPast } from './gateway-worker-past.js';
import { InMemoryModelPlacement } from './placement/model-placement.js';
import { PlacementMetrics } from './placement/placement-metrics.js';
import type { PlacementObserver } from './placement/placement-types.js';
import { systemClock as clock } from './runtime/clock.js';
import { createLogger } from './runtime/logger.js';
import { tuneForRequests } from './runtime/tune-v8.js';

tuneForRequests();
const logger = createLogger(`gateway-worker-${process.pid}`);

/** The endpoints as the parent's registry has them. */
class MirroredEndpoints {
  readonly #endpoints = new Map<string, EndpointState>();
  readonly #listeners = new Set<EndpointListener>();

  get(id: string): EndpointState | undefined {
    return this.#endpoints.get(id);
  }

  onNews(listener: EndpointListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  apply(news: EndpointNews): void {
    for (const { id } of news.removed) this.#endpoints.delete(id);
    for (const endpoint of news.changed) this.#endpoints.set(endpoint.id, endpoint);
    for (const listener of this.#listeners) listener(news);
  }
}

class GatewayWorker {
  readonly #endpoints = new MirroredEndpoints();
  readonly #registry = new Registry();
  /** Counts the decisions; loads are shown by the parent, which sees those of all workers. */
  readonly #placementMetrics = new PlacementMetrics(this.#registry, clock);
  readonly #journal = new WorkJournal();
  readonly #pacer = new Pacer(clock, paces.toParent, () => {
    const batch = this.#journal.take(clock.monotonicMs());
    if (batch !== null) send({ kind: 'work', batch });
    return !this.#journal.isEmpty;
  });
  readonly #directory: ModelDirectory;
  readonly #gateway: Gateway;
  /** Leases placed elsewhere, and where. */
  readonly #foreign = new Map<string, string>();
  readonly #config: CoordinatorConfig;
  /** Models that the parent was asked to wake. */
  readonly #woken = new Set<string>();

  constructor(config: CoordinatorConfig, endpoints: EndpointState[], work: WorkEvent[]) {
    this.#config = config;
    const { loadFactor, constants, hashSeed } = config.placement;
    this.#directory = new ModelDirectory({
      models: config.models,
      unconfigured: defaultModelConfig,
      registry: this.#endpoints,
      wake: (model) => this.#wake(model),
      createPlacement: (model, { strategy, healthRule }) =>
        new InMemoryModelPlacement({
          strategy,
          healthRule,
          constants: { ...constants, loadFactor },
          observer: { ...this.#placementMetrics.observerFor(model), ...this.#observer() },
        }),
      logger,
    });
    this.#endpoints.apply({ changed: endpoints, removed: [], evicted: [] });
    this.#gateway = new Gateway({
      ...config.gateway,
      listen: config.listen.gateway,
      tls: config.tls,
      routing: this.#directory,
      hashSeed,
      publishRate: (scopes, tokens, settles) => this.#tell({ kind: 'rate', scopes, tokens, settles }),
      publishResponse: (id, place) => this.#tell({ kind: 'response', id, place }),
      clock,
      logger,
      metrics: new GatewayMetrics(this.#registry),
      eventRelay: config.gateway.nativeRelay ? openEventRelay(wordsWorthReading, logger) : null,
    });
    new ForgetModels({ routing: this.#directory, metrics: this.#placementMetrics, clock });
    this.#observe(work);
  }

  async start(): Promise<void> {
    await this.#gateway.start();
    const { host, port } = this.#gateway.address();
    send({ kind: 'listening', host, port });
  }

  take(message: ToWorker): void {
    switch (message.kind) {
      case 'news':
        this.#endpoints.apply(message.news);
        break;
      case 'work':
        for (const batch of message.batches) this.#observeBatch(batch);
        break;
      case 'reload':
        this.#directory.reconfigure(message.config.models);
        Object.assign(this.#config.gateway.limits, message.config.gateway.limits);
        Object.assign(this.#config.gateway.retry, message.config.gateway.retry);
        Object.assign(this.#config.gateway.degradation, message.config.gateway.degradation);
        break;
      case 'reload-keys':
        this.#reloadKeys();
        break;
      case 'close':
        void this.#gateway.close().then(() => end(0));
        break;
      case 'destroy':
        this.#gateway.destroy(message.reason);
        setImmediate(() => end(0));
        break;
      case 'metrics':
        void this.#registry
          .getMetricsAsJSON()
          .then((values) => send({ kind: 'metrics', id: message.id, values }));
    }
  }

  /** The parent has read the file a moment ago and found it good; it may have changed since. */
  #reloadKeys(): void {
    try {
      this.#gateway.reloadKeys();
    } catch (error) {
      logger.error({ reason: messageOf(error) }, 'keys not reloaded; those before stay');
    }
  }

  /** The parent chooses the engine and asks once; here it only matters whether waiting makes sense. */
  #wake(model: string): boolean {
    const ids = this.#directory.entries().find((entry) => entry.model === model)?.endpointIds ?? [];
    const states = new Set([...ids].map((id) => this.#endpoints.get(id)?.engineState));
    if (states.has('asleep')) {
      send({ kind: 'wake', model });
      this.#woken.add(model);
      return true;
    }
    return this.#woken.has(model) && states.has('starting');
  }

  #observer(): PlacementObserver {
    return {
      placed: (lease) => this.#tell({ kind: 'placed', lease }),
      firstToken: (id, cachedTokens) => this.#tell({ kind: 'first-token', id, cachedTokens }),
      released: (id) => this.#tell({ kind: 'released', id }),
    };
  }

  #tell(event: WorkEvent): void {
    this.#journal.push(event, clock.monotonicMs());
    this.#pacer.wake();
  }

  #observeBatch(batch: WorkBatch): void {
    const nowMs = clock.monotonicMs();
    readPast(batch.past, (request) =>
      this.#directory.placementOf(request.endpointId)?.observe(pastOf(request), request.endpointId, nowMs),
    );
    this.#observe(eventsOf(batch));
  }

  #observe(events: readonly WorkEvent[]): void {
    const nowMs = clock.monotonicMs();
    let freed = false;
    for (const event of events) {
      if (event.kind === 'rate') this.#gateway.observeRate(event.scopes, event.tokens, event.settles);
      else if (event.kind === 'response') this.#gateway.responses.observe(event.id, event.place);
      else if (event.kind === 'placed') {
        const { lease } = event;
        this.#foreign.set(lease.id, lease.endpointId);
        this.#directory.placementOf(lease.endpointId)?.observe(lease, lease.endpointId, nowMs);
      } else {
        const placement = this.#directory.placementOf(this.#foreign.get(event.id) ?? '');
        if (event.kind === 'first-token') placement?.firstToken(event.id, nowMs, event.cachedTokens);
        else {
          placement?.done(event.id, nowMs);
          this.#foreign.delete(event.id);
          freed = true;
        }
      }
    }
    if (freed) this.#gateway.retryQueued();
  }
}

function send(message: FromWorker): void {
  process.send?.(message, undefined, undefined, (error) => {
    if (error) logger.debug({ reason: messageOf(error) }, 'the parent does not listen any more');
  });
}

/** Whatever is still open belongs to nobody: this is a composition root, and its work is over. */
function end(code: number): never {
  // eslint-disable-next-line no-restricted-properties -- a root ends its process
  process.exit(code);
}

let worker: GatewayWorker | null = null;
process.on('message', (message: ToWorker) => {
  if (message.kind !== 'start') return worker?.take(message);
  worker = new GatewayWorker(message.config, message.endpoints, message.work);
  worker.start().catch((error: unknown) => {
    send({ kind: 'failed', message: messageOf(error) });
    setImmediate(() => end(1));
  });
});
// The parent alone decides about the end: signals to the whole group reach it as well.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => end(0));
send({ kind: 'asks' });
