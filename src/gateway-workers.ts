/**
 * The gateway in several processes: workers share one listening socket and are coordinators to each other (what they place goes through
 * `gateway-worker-exchange.ts`). The parent passes state down, sums what they count, and replaces a worker that ends: a crash costs the
 * streams of that worker and nothing else.
 */
import cluster, { type Worker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import { AggregatorRegistry, type Registry } from 'prom-client';
import type { EndpointRegistry } from './cluster/endpoint-registry.js';
import type { ObservingPlacement } from './cluster/shared-work.js';
import type { CoordinatorConfig } from './config/coordinator-config.js';
import type { ListenAddress } from './config/listen-address.js';
import { InfernodeError } from './domain/error-codes.js';
import { priorities } from './domain/priority.js';
import { ApiKeys } from './gateway/keys/api-keys.js';
import { GatewayWorkerMetrics } from './gateway/gateway-worker-metrics.js';
import type { FromWorker, ToWorker, WorkEvent } from './gateway-worker-channel.js';
import {
  GatewayWorkerExchange,
  type GatewayWorkerExchangeOptions,
  type WorkMember,
} from './gateway-worker-exchange.js';
import type { ModelPlacement } from './placement/placement-types.js';
import { backoffMs } from './runtime/backoff.js';
import type { Logger } from './runtime/logger.js';
import type { Service } from './runtime/service.js';

export interface GatewayWorkersOptions extends GatewayWorkerExchangeOptions {
  config: CoordinatorConfig;
  endpoints: Pick<EndpointRegistry, 'all' | 'get' | 'onNews'>;
  /** Requests of a worker wait for a model that sleeps. */
  wake: (model: string) => void;
  registry: Registry;
  logger: Logger;
}

interface Slot {
  process: Worker;
  listening: boolean;
  member: WorkMember;
}

const restart = { baseMs: 200, capMs: 10_000, jitterRatio: 0.1 };
/** A worker that ran so long had started well: the next failure is a first one. */
const steadyMs = 60_000;
const metricsTimeoutMs = 2_000;
/** What a worker may take beside the drain before it is killed. */
const closeMarginMs = 5_000;

export class GatewayWorkers implements Service {
  readonly #options: GatewayWorkersOptions;
  readonly #slots = new Set<Slot>();
  readonly #asked = new Map<number, (values: object[] | null) => void>();
  readonly #metrics: GatewayWorkerMetrics;
  readonly #exchange: GatewayWorkerExchange;
  #config: CoordinatorConfig;
  #address: ListenAddress;
  #failures = 0;
  #questions = 0;
  #unsubscribe: (() => void) | null = null;
  #closing: Promise<void> | null = null;
  #stopping = false;

  constructor(options: GatewayWorkersOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#address = options.config.listen.gateway;
    this.#metrics = new GatewayWorkerMetrics(options.registry);
    this.#exchange = new GatewayWorkerExchange(options, this.#metrics);
  }

  address(): ListenAddress {
    return this.#address;
  }

  get ready(): boolean {
    return !this.#stopping && [...this.#slots].some(({ listening }) => listening);
  }

  async start(): Promise<void> {
    // Workers accept by themselves: a connection dealt by the parent to a worker that just ended would hang for ever.
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    cluster.setupPrimary({
      exec: fileURLToPath(new URL('./gateway-worker.js', import.meta.url)),
      args: [],
      serialization: 'advanced',
    });
    this.#unsubscribe = this.#options.endpoints.onNews((news) => this.#tell({ kind: 'news', news }));
    const { workers } = this.#config.gateway;
    await Promise.all(Array.from({ length: workers }, () => this.#begin()));
  }

  /** Something was placed, started or ended outside the workers; they should know. */
  push(event: WorkEvent): void {
    this.#exchange.push(event);
  }

  /** A placement of the parent that hears of other coordinators' work, and tells the workers. */
  told(placement: ModelPlacement): ObservingPlacement {
    return this.#exchange.told(placement);
  }

  get contentType(): string {
    return this.#options.registry.contentType;
  }

  reload(config: CoordinatorConfig): void {
    this.#config = {
      ...this.#config,
      models: config.models,
      gateway: { ...config.gateway, workers: this.#config.gateway.workers },
    };
    this.#tell({ kind: 'reload', config: shareOf(this.#config) });
  }

  /** Throws when the file cannot be read as keys; the workers then keep what they have. */
  reloadKeys(): void {
    const file = this.#config.gateway.keys?.file;
    if (file !== undefined) ApiKeys.fromFile(file);
    this.#tell({ kind: 'reload-keys' });
  }

  /** Own series and those of all workers, summed. */
  async metrics(): Promise<string> {
    const own = (await this.#options.registry.getMetricsAsJSON()) as object[];
    const theirs = await Promise.all([...this.#slots].map((slot) => this.#ask(slot)));
    return AggregatorRegistry.aggregate([own, ...theirs.map((values) => values ?? [])]).metrics();
  }

  /** The series of all workers side by side; `null` when one of them did not answer in time, for a sum would be too small. */
  async workerSeries(): Promise<object[] | null> {
    const theirs = await Promise.all([...this.#slots].map((slot) => this.#ask(slot)));
    return theirs.every((values) => values !== null) ? theirs.flat() : null;
  }

  close(): Promise<void> {
    this.#closing ??= this.#end(
      { kind: 'close' },
      this.#config.gateway.limits.drainTimeoutMs + closeMarginMs,
    );
    return this.#closing;
  }

  destroy(reason: string): void {
    const ended = this.#end({ kind: 'destroy', reason }, closeMarginMs);
    this.#closing ??= ended;
  }

  async #end(message: ToWorker, withinMs: number): Promise<void> {
    this.#stopping = true;
    this.#unsubscribe?.();
    const ends = [...this.#slots].map(
      ({ process: child }) => new Promise<void>((resolve) => child.once('exit', () => resolve())),
    );
    this.#tell(message);
    const late = this.#options.clock.after(withinMs, () => {
      for (const { process: child } of this.#slots) child.process.kill('SIGKILL');
    });
    await Promise.all(ends);
    late.cancel();
  }

  /** Resolves when the worker listens; rejects when it cannot. */
  #begin(): Promise<void> {
    const { clock, logger } = this.#options;
    const child = cluster.fork();
    const startedMs = clock.monotonicMs();
    const slot: Slot = {
      process: child,
      listening: false,
      member: this.#exchange.join((batches) => this.#send(slot, { kind: 'work', batches })),
    };
    this.#slots.add(slot);
    return new Promise((resolve, reject) => {
      child.on('message', (message: FromWorker) => {
        if (message.kind === 'listening') resolve();
        if (message.kind === 'failed')
          reject(
            new InfernodeError('config-invalid', `a gateway worker could not start: ${message.message}`),
          );
        this.#take(slot, message);
      });
      child.on('error', (error) => logger.error({ err: error, pid: child.process.pid }, 'gateway worker'));
      child.once('exit', (code, signal) => {
        reject(new InfernodeError('internal', `a gateway worker ended at its start (${signal ?? code})`));
        this.#ended(slot, startedMs, signal ?? `code ${code}`);
      });
    });
  }

  #take(slot: Slot, message: FromWorker): void {
    switch (message.kind) {
      case 'asks':
        this.#send(slot, {
          kind: 'start',
          config: shareOf(this.#config),
          endpoints: [...this.#options.endpoints.all()],
          work: this.#exchange.asEvents(),
        });
        break;
      case 'listening':
        slot.listening = true;
        this.#address = { host: this.#config.listen.gateway.host, port: message.port };
        break;
      case 'work':
        this.#exchange.take(slot.member, message.batch);
        break;
      case 'metrics':
        this.#asked.get(message.id)?.(message.values);
        break;
      case 'wake':
        this.#options.wake(message.model);
        break;
      case 'failed':
        this.#options.logger.error({ reason: message.message }, 'gateway worker could not start');
    }
  }

  #ended(slot: Slot, startedMs: number, how: string): void {
    const { clock, logger } = this.#options;
    this.#slots.delete(slot);
    this.#exchange.leave(slot.member);
    if (this.#stopping) return;
    this.#failures = clock.monotonicMs() - startedMs > steadyMs ? 1 : this.#failures + 1;
    const afterMs = backoffMs(this.#failures - 1, restart);
    logger.error(
      { pid: slot.process.process.pid, how, afterMs },
      'a gateway worker has ended; another one starts',
    );
    // A worker that never listened fails the start of the whole, and is not replaced.
    if (!slot.listening && this.#address.port === 0) return;
    clock.after(afterMs, () => {
      if (this.#stopping) return;
      this.#metrics.restarts.inc();
      this.#begin().catch((error: unknown) => logger.error({ err: error }, 'gateway worker'));
    });
  }

  #ask(slot: Slot): Promise<object[] | null> {
    const id = (this.#questions += 1);
    return new Promise((resolve) => {
      const answer = (values: object[] | null): void => {
        late.cancel();
        this.#asked.delete(id);
        resolve(values);
      };
      const late = this.#options.clock.after(metricsTimeoutMs, () => answer(null));
      this.#asked.set(id, answer);
      this.#send(slot, { kind: 'metrics', id });
    });
  }

  #tell(message: ToWorker): void {
    for (const slot of this.#slots) this.#send(slot, message);
  }

  #send(slot: Slot, message: ToWorker): void {
    if (slot.process.isConnected())
      slot.process.send(message, (error: Error | null) => {
        if (error) this.#options.logger.debug({ reason: error.message }, 'a gateway worker does not listen');
      });
  }
}

/** The configuration of one of N workers: queues are each worker's own, so each gets its share of the places. */
function shareOf(config: CoordinatorConfig): CoordinatorConfig {
  const { workers, limits, degradation } = config.gateway;
  const share = (n: number): number => Math.ceil(n / workers);
  const classes = structuredClone(limits.priorities);
  for (const priority of priorities) classes[priority].places = share(classes[priority].places);
  return {
    ...config,
    gateway: {
      ...config.gateway,
      limits: {
        ...limits,
        maxQueuedRequests: share(limits.maxQueuedRequests),
        maxHeldRequests: share(limits.maxHeldRequests),
        priorities: classes,
      },
      degradation: {
        ...degradation,
        steps: degradation.steps.map((step) => ({
          ...step,
          queueAbove: Math.floor(step.queueAbove / workers),
          queueBelow: Math.max(1, Math.floor(step.queueBelow / workers)),
        })),
      },
    },
  };
}
