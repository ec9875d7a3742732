/**
 * The gateway: an OpenAI-compatible HTTP listener in front of the engines. This file owns its life: listening, draining,
 * ending, and the attempts under way; `serve-request.ts` owns what happens to a request.
 */
import { randomBytes } from 'node:crypto';
import { formatAddress, isLoopback, type ListenAddress } from '../config/listen-address.js';
import type { TlsConfig } from '../config/tls-config.js';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import type { PriorityClasses } from '../domain/priority.js';
import type { Clock, Timer } from '../runtime/clock.js';
import { LiveSet } from '../runtime/live-set.js';
import type { Logger } from '../runtime/logger.js';
import type { Service } from '../runtime/service.js';
import { Admission } from './admission/admission.js';
import { ClientKeys, type KeysConfig, type PublishRate, type SharedStoreConfig } from './keys/client-keys.js';
import { Degradation, type DegradationStep } from './admission/degradation.js';
import { warnOfFewDescriptors } from './request/descriptor-limit.js';
import { EndpointConnections } from './relay/endpoint-connections.js';
import { FewEngines, type FewEnginesLimits } from './admission/few-engines.js';
import { ForgetModels } from './observe/forget-models.js';
import type { ForwardAttempt } from './relay/forward-attempt.js';
import type { GatewayMetrics } from './gateway-metrics.js';
import type { GatewayRouting } from './gateway-routing.js';
import { errorBody } from './request/openai-error.js';
import { PrefixHasher } from './request/prefix-chain.js';
import { pressedModels } from './admission/pressed-models.js';
import { RequestTracing } from './observe/request-trace.js';
import type { RetryOptions } from './reroute-request.js';
import { ResponsePlaces, type PublishResponse } from './admission/response-places.js';
import { RetryBudget } from './admission/retry-budget.js';
import type { ServeContext } from './serve-context.js';
import { serveRequest } from './serve-request.js';
import { ClientListener } from './wire/client-listener.js';
import type { EventRelay } from './wire/event-relay.js';

/** The members of `gateway.limits` in the configuration. */
export interface GatewayLimits {
  maxBodyBytes: number;
  maxQueuedRequests: number;
  queueTimeoutMs: number;
  /** 0 waits for ever. */
  firstByteTimeoutMs: number;
  connectTimeoutMs: number;
  drainTimeoutMs: number;
  wakeTimeoutMs?: number;
  maxHeldRequests?: number;
  maxConnections?: number;
  priorities?: PriorityClasses;
}

export interface GatewayOptions {
  listen: ListenAddress;
  tls?: TlsConfig | undefined;
  /** Where the digests of keys are; without it every caller may use the gateway. */
  keys?: KeysConfig | undefined;
  sharedStore?: SharedStoreConfig | undefined;
  publishRate?: PublishRate | undefined;
  publishResponse?: PublishResponse | undefined;
  /** Read at each use. */
  degradation?: { steps: readonly DegradationStep[]; fewEngines?: FewEnginesLimits } | undefined;
  limits: GatewayLimits;
  retry: RetryOptions;
  routing: GatewayRouting;
  /** Secret shared by the coordinators of a cluster. */
  hashSeed: string;
  clock: Clock;
  logger: Logger;
  metrics: GatewayMetrics;
  /** Carries events where nothing has to be read; without it all of them pass through here. */
  eventRelay?: EventRelay | null | undefined;
  /** Say in response headers where a request was placed; by default on loopback only. */
  exposePlacement?: boolean | undefined;
  /** Say in them also why: home, costs, bounds. */
  explainHeaders?: boolean | undefined;
}

/** Where the configuration says nothing; a connection costs a descriptor and some kilobytes. */
const defaultMaxConnections = 16_384;
/** Longest silence in the middle of an answer; an engine's longest legitimate pause is a preemption of some seconds. */
const idleTimeoutMs = 10 * 60_000;
/** How often models that nobody asks for come down from degradation steps. */
const degradationEveryMs = 1_000;

export class Gateway implements Service {
  readonly #options: GatewayOptions;
  /** Attempts under way. */
  readonly #attempts = new LiveSet<ForwardAttempt>();
  readonly #connections: EndpointConnections;
  readonly #admission: Admission;
  readonly #context: ServeContext;
  readonly #degradation: Degradation;
  readonly #fewEngines: FewEngines;
  readonly #keys: ClientKeys;
  /** What this process and its siblings have seen. */
  readonly responses: ResponsePlaces;
  #tracing: RequestTracing | null = null;
  #forgetModels: ForgetModels | null = null;
  #ticker: Timer | null = null;
  #listener: ClientListener | null = null;
  #address: ListenAddress;
  #unsubscribe: (() => void) | null = null;
  #stopping = false;
  #destroyed = false;
  #closing: Promise<void> | null = null;
  #active = 0;
  #onIdle: (() => void) | null = null;

  constructor(options: GatewayOptions) {
    const { limits, retry, routing, clock, metrics, logger } = options;
    this.#options = options;
    this.#address = options.listen;
    this.#connections = new EndpointConnections({
      connectTimeoutMs: limits.connectTimeoutMs,
      idleTimeoutMs,
      clock,
      eventRelay: options.eventRelay ?? null,
    });
    this.#fewEngines = new FewEngines({ ...options, limits: () => options.degradation?.fewEngines });
    this.#admission = new Admission({
      limits,
      routing,
      clock,
      metrics,
      patienceMs: (placement) => this.#fewEngines.patienceMs(placement),
      instance: randomBytes(6).toString('base64url'),
      explains: options.explainHeaders ?? false,
    });
    this.#degradation = new Degradation(() => options.degradation?.steps ?? [], options);
    this.#keys = new ClientKeys(options);
    this.responses = new ResponsePlaces(options);
    this.#context = {
      routing,
      admission: this.#admission,
      budget: new RetryBudget({ ratio: retry.budgetRatio, clock }),
      retry,
      limits,
      connections: this.#connections,
      hasher: new PrefixHasher(options.hashSeed),
      clock,
      logger,
      metrics,
      exposePlacement:
        options.exposePlacement ?? (options.explainHeaders === true || isLoopback(options.listen.host)),
      keys: () => this.#keys.current,
      keyUsage: this.#keys.usage,
      degradation: this.#degradation,
      fewEngines: this.#fewEngines,
      responses: this.responses,
      tracing: () => this.#tracing,
      stopping: () => this.#stopping,
      ended: () => this.#destroyed,
      track: (attempt) => this.#track(attempt),
    };
  }

  /** Where it listens; holds the real port after `start()`. */
  address(): ListenAddress {
    return this.#address;
  }

  get url(): string {
    return `${this.#options.tls ? 'https' : 'http'}://${formatAddress(this.#address)}`;
  }

  /** False as soon as it should get no new requests. */
  get ready(): boolean {
    return this.#listener !== null && !this.#stopping;
  }

  get liveLeases(): number {
    return this.#admission.liveLeases;
  }

  async start(): Promise<void> {
    const { routing, logger, listen } = this.#options;
    await this.#keys.start();
    this.#tracing = await RequestTracing.load();
    warnOfFewDescriptors(logger);
    const listener = this.#createListener();
    const refused = (error: Error): void =>
      logger.error({ reason: messageOf(error) }, 'gateway listener failed');
    const port = await listener.listen(listen, refused).catch((error: unknown) => {
      const message = `expected to listen on ${formatAddress(listen)}: ${messageOf(error)}`;
      throw new InfernodeError('config-invalid', message, { cause: error });
    });
    this.#address = { host: listen.host, port };
    this.#fewEngines.look();
    this.#unsubscribe = routing.onEvict((endpointId, reason) => {
      this.#fewEngines.look();
      this.#evict(endpointId, reason);
    });
    this.#ticker = this.#options.clock.every(degradationEveryMs, () => this.#settleDegradation());
    this.#forgetModels = new ForgetModels(this.#options);
    this.#listener = listener;
    logger.info({ address: this.url }, 'gateway listens');
  }

  /** Reads the key file again; on an error the old keys stay and the error says why. */
  reloadKeys(): void {
    this.#keys.reload();
  }

  /** Limits that another process of the same gateway took or gave back. */
  observeRate(...taken: Parameters<PublishRate>): void {
    this.#keys.observe(...taken);
  }

  /** A request of another process has ended: somebody who waits here may have its place. */
  retryQueued(): void {
    this.#admission.retry();
  }

  /** Not ready, the queue sent away, and what runs may finish up to the drain limit. */
  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  destroy(reason: string): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#stopping = true;
    this.#admission.close();
    for (const attempt of this.#attempts) attempt.shutDown(`the gateway ends: ${reason}`);
    this.#endBackground();
    const listener = this.#listener;
    void listener?.close();
    // The error events just written are still to be flushed; whoever does not read them is cut off.
    setImmediate(() => listener?.destroyAll());
    this.#closing ??= Promise.resolve();
  }

  async #drain(): Promise<void> {
    const { clock, limits, logger } = this.#options;
    const listener = this.#listener;
    if (listener === null) this.destroy('closed before it started');
    if (this.#destroyed || listener === null) return;
    this.#stopping = true;
    const closed = listener.close();
    listener.destroyIdle();
    this.#admission.close();
    logger.info({ active: this.#active }, 'gateway drains');
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      if (this.#active === 0) resolve();
    });
    const late = new Promise<'late'>((resolve) => clock.after(limits.drainTimeoutMs, () => resolve('late')));
    if ((await Promise.race([idle, late])) === 'late') this.destroy('the drain limit has passed');
    else {
      this.#destroyed = true;
      this.#endBackground();
      setImmediate(() => listener.destroyAll());
    }
    await Promise.race([closed, late]);
    listener.destroyAll();
  }

  #createListener(): ClientListener {
    const { logger, limits } = this.#options;
    return new ClientListener({
      ...this.#options,
      maxConnections: limits.maxConnections ?? defaultMaxConnections,
      serve: (exchange) => {
        this.#active += 1;
        serveRequest(exchange, this.#context).catch((error: unknown) => {
          logger.error({ reason: messageOf(error) }, 'request left unanswered');
          exchange.destroy();
        });
      },
      refusalBody: (message) => errorBody({ code: 'request-invalid', message }),
      served: () => {
        this.#active -= 1;
        if (this.#active === 0) this.#onIdle?.();
      },
    });
  }

  #settleDegradation(): void {
    const { routing } = this.#options;
    this.#fewEngines.look();
    this.#degradation.settle((model) => {
      const resolved = routing.resolve(model);
      return resolved === null ? 0 : this.#admission.waiting(resolved.placement);
    }, pressedModels(routing));
  }

  #endBackground(): void {
    this.#unsubscribe?.();
    this.#ticker?.cancel();
    this.#forgetModels?.close();
    this.#keys.close();
    this.#connections.destroy();
  }

  #track(attempt: ForwardAttempt): void {
    this.#attempts.add(attempt);
    void attempt.ended.then(() => this.#attempts.delete(attempt));
  }

  #evict(endpointId: string, reason: string): void {
    const attempts = [...this.#attempts].filter((attempt) => attempt.endpointId === endpointId);
    if (attempts.length === 0) return;
    const endpoint = this.#options.routing.endpoint(endpointId);
    // Cordoned but alive: streams go on. Gone or evicting: nothing there will finish.
    const mayFinish = endpoint !== undefined && !endpoint.evicting;
    this.#options.logger.warn(
      { endpoint: endpointId, requests: attempts.length, mayFinish, reason },
      'endpoint lost to new work',
    );
    for (const attempt of attempts)
      if (mayFinish) attempt.vacate(reason);
      else attempt.evict(reason);
  }
}
