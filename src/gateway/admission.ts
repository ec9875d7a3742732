/**
 * The door: a request gets a lease at once, or waits in its model's queue, or is turned away. Waiting requests try again
 * in order whenever a lease ends, the cluster changes, or a moment has passed (a breaker that half-opens tells nobody).
 */
import { InfernodeError } from '../domain/error-codes.js';
import type { ModelPlacement, PlacementDecision } from '../placement/placement-types.js';
import type { Clock, Timer } from '../runtime/clock.js';
import type { GatewayMetrics } from './gateway-metrics.js';
import type { GatewayRouting } from './gateway-routing.js';
import { Lease } from './lease.js';

export interface AdmissionLimits {
  /** Waiting requests per placement, which is per model with its adapters. */
  maxQueuedRequests: number;
  queueTimeoutMs: number;
}

export interface AdmissionRequest {
  model: string;
  placement: ModelPlacement;
  tokens: number;
  chain: readonly number[];
  sessionKey: string | undefined;
  /** Endpoints already tried. */
  exclude: ReadonlySet<string>;
}

/** Ends a wait early; the promise then resolves with `null`. */
export interface AdmissionWait {
  lease: Promise<Lease | null>;
  cancel(): void;
}

interface Waiting {
  request: AdmissionRequest;
  sinceMs: number;
  timer: Timer;
  resolve(lease: Lease | null): void;
  reject(error: InfernodeError): void;
}

interface AdmissionOptions {
  limits: AdmissionLimits;
  routing: Pick<GatewayRouting, 'endpoint' | 'onChange'>;
  clock: Clock;
  metrics: GatewayMetrics;
  /** Distinguishes the leases of this process from those of others. */
  instance: string;
}

/** How often waiting requests try again without any news. */
const pumpEveryMs = 250;
/** Requests that may be passed over in one pump because only they cannot be placed (they have tried endpoints). */
const maxPassedOver = 16;

export class Admission {
  readonly #options: AdmissionOptions;
  /**
   * One queue per placement: names that lead to the same engines wait together. A seam for priorities: the queue decides
   * who is next, all else stays.
   */
  readonly #queues = new Map<ModelPlacement, Waiting[]>();
  readonly #unsubscribe: () => void;
  #ticker: Timer | null = null;
  #leases = 0;
  #live = 0;
  #closed = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#unsubscribe = options.routing.onChange(() => this.#pumpAll());
  }

  /** Leases not released yet. */
  get liveLeases(): number {
    return this.#live;
  }

  /** A lease, or a wait for one. Throws `queue-full`, `no-eligible-endpoint` or `shutting-down`. */
  admit(request: AdmissionRequest): Lease | AdmissionWait {
    const waiting = this.#queues.get(request.placement);
    // Who comes later does not overtake those who wait.
    if (waiting === undefined || waiting.length === 0) {
      const decision = this.#decide(request);
      if ('release' in decision) return decision;
      this.#refuseHopeless(request, decision);
    }
    if (this.#closed)
      throw new InfernodeError('shutting-down', 'the gateway is shutting down; try another one');
    const { limits, metrics } = this.#options;
    if ((waiting?.length ?? 0) >= limits.maxQueuedRequests) {
      metrics.queueRejected.inc({ reason: 'full' });
      throw new InfernodeError(
        'queue-full',
        `all endpoints of ${request.model} are busy and ${limits.maxQueuedRequests} requests wait already`,
      );
    }
    return this.#enqueue(request);
  }

  /** Whether somebody else could take a request that has tried the excluded ones, now or after a wait. */
  hasUntried(request: AdmissionRequest): boolean {
    const { placement, chain, tokens, exclude, model } = request;
    const question = { id: '', chain, tokens, exclude, servedName: model };
    return placement.explain(question, this.#options.clock.monotonicMs()).outcome !== 'none-eligible';
  }

  /** Everybody who waits is told to go elsewhere; requests that are placed go on. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#ticker?.cancel();
    for (const queue of this.#queues.values())
      for (const entry of [...queue]) {
        this.#remove(entry);
        this.#options.metrics.queueRejected.inc({ reason: 'shutting-down' });
        entry.reject(new InfernodeError('shutting-down', 'the gateway is shutting down; try another one'));
      }
  }

  #decide(request: AdmissionRequest): Lease | PlacementDecision {
    const { clock, metrics, routing, instance } = this.#options;
    const id = `${instance}-${(this.#leases += 1)}`;
    const { placement, tokens, chain, sessionKey, exclude } = request;
    const decision = placement.decide(
      {
        id,
        tokens,
        chain,
        exclude,
        servedName: request.model,
        ...(sessionKey === undefined ? {} : { sessionKey }),
      },
      clock.monotonicMs(),
    );
    metrics.placements.inc({ outcome: decision.outcome });
    if (decision.endpoint === null) return decision;
    this.#live += 1;
    const endpoint = routing.endpoint(decision.endpoint);
    return new Lease(id, decision.endpoint, endpoint, decision.outcome, placement, clock, () => {
      this.#live -= 1;
      this.#pump(placement);
    });
  }

  /** Waiting helps when an endpoint is busy or on its way; not when there is none, or all have been tried. */
  #refuseHopeless(request: AdmissionRequest, { outcome, reason }: PlacementDecision): void {
    if (outcome !== 'none-eligible') return;
    if (request.exclude.size === 0 && request.placement.inFlight().size > 0) return;
    this.#options.metrics.queueRejected.inc({ reason: 'nothing-eligible' });
    throw new InfernodeError('no-eligible-endpoint', `no endpoint can serve ${request.model}: ${reason}`);
  }

  #enqueue(request: AdmissionRequest): AdmissionWait {
    const { clock, limits } = this.#options;
    const queue = this.#queues.get(request.placement) ?? [];
    this.#queues.set(request.placement, queue);
    let cancel = (): void => undefined;
    const lease = new Promise<Lease | null>((resolve, reject) => {
      const timer = clock.after(limits.queueTimeoutMs, () => this.#timeOut(entry));
      const entry: Waiting = { request, sinceMs: clock.monotonicMs(), timer, resolve, reject };
      cancel = () => {
        if (this.#remove(entry)) resolve(null);
      };
      queue.push(entry);
    });
    this.#options.metrics.queued.inc({ model: request.model });
    this.#ticker ??= clock.every(pumpEveryMs, () => this.#pumpAll());
    return { lease, cancel };
  }

  #timeOut(entry: Waiting): void {
    if (!this.#remove(entry)) return;
    const { metrics, limits } = this.#options;
    metrics.queueRejected.inc({ reason: 'timeout' });
    entry.reject(
      new InfernodeError(
        'no-eligible-endpoint',
        `no endpoint of ${entry.request.model} could take the request within ${limits.queueTimeoutMs} ms`,
      ),
    );
  }

  #pumpAll(): void {
    let waiting = 0;
    for (const [placement, queue] of this.#queues) {
      this.#pump(placement);
      if (queue.length === 0) this.#queues.delete(placement);
      waiting += queue.length;
    }
    if (waiting > 0) return;
    this.#ticker?.cancel();
    this.#ticker = null;
  }

  /** Places from the head on; stops at the first that cannot be placed for reasons all share. */
  #pump(placement: ModelPlacement): void {
    const queue = this.#queues.get(placement);
    if (queue === undefined || queue.length === 0) return;
    let passedOver = 0;
    for (let i = 0; i < queue.length;) {
      const entry = queue[i] as Waiting;
      const lease = this.#decide(entry.request);
      if ('release' in lease) {
        this.#remove(entry);
        const waitedMs = this.#options.clock.monotonicMs() - entry.sinceMs;
        this.#options.metrics.queueWait.observe(entry.request.model, waitedMs / 1000);
        entry.resolve(lease);
      } else if (entry.request.exclude.size > 0 && passedOver < maxPassedOver) {
        passedOver += 1;
        i += 1;
      } else break;
    }
  }

  #remove(entry: Waiting): boolean {
    const { placement, model } = entry.request;
    const queue = this.#queues.get(placement);
    const at = queue?.indexOf(entry) ?? -1;
    if (at < 0) return false;
    queue?.splice(at, 1);
    entry.timer.cancel();
    this.#options.metrics.queued.dec({ model });
    return true;
  }
}
