/**
 * The door: a request gets a lease at once, or waits in its model's queue, or is turned away. Waiting requests try again
 * in the order of `priority-queue.ts` whenever a lease ends, the cluster changes, or a moment has passed (a breaker that half-opens tells nobody).
 */
import { InfernodeError, type ErrorCode } from '../../domain/error-codes.js';
import { defaultPriorities, type Priority, type PriorityClasses } from '../../domain/priority.js';
import type { ModelPlacement, PlacementDecision } from '../../placement/placement-types.js';
import type { Clock, Timer } from '../../runtime/clock.js';
import type { GatewayMetrics } from '../gateway-metrics.js';
import type { GatewayRouting } from '../gateway-routing.js';
import { Lease } from './lease.js';
import { PriorityQueue, type Queued } from './priority-queue.js';

export interface AdmissionLimits {
  /** Waiting requests per placement, which is per model with its adapters. */
  maxQueuedRequests: number;
  queueTimeoutMs: number;
  /** Longest hold of a request whose model wakes, and how many are held per model. */
  wakeTimeoutMs?: number | undefined;
  maxHeldRequests?: number | undefined;
  priorities?: PriorityClasses | undefined;
}

export interface AdmissionRequest {
  model: string;
  placement: ModelPlacement;
  tokens: number;
  chain: readonly number[];
  sessionKey: string | undefined;
  /** The endpoint that keeps what the request refers to: it waits for that one, as long as that one may take requests. */
  only?: string | undefined;
  /** `medium` where nothing is said. */
  priority?: Priority | undefined;
  /** When nobody is interested any more, by the monotonic clock. */
  deadlineMs?: number | undefined;
  /** The same over all attempts, and no other request's: agents tell by it which one takes engines down. */
  requestId?: string;
  /** The answer is a stream, or comes when the prompt has been computed. */
  streams?: boolean;
  /** Endpoints already tried. */
  exclude: ReadonlySet<string>;
}

/** Ends a wait early; the promise then resolves with `null`. */
export interface AdmissionWait {
  lease: Promise<Lease | null>;
  cancel(): void;
}

interface Waiting extends Queued {
  /** Its model sleeps and has been asked to wake: it waits longer. */
  held: boolean;
  request: AdmissionRequest;
  timer: Timer;
  resolve(lease: Lease | null): void;
  reject(error: InfernodeError): void;
}

interface AdmissionOptions {
  limits: AdmissionLimits;
  routing: Pick<GatewayRouting, 'endpoint' | 'onChange' | 'wake'>;
  clock: Clock;
  metrics: GatewayMetrics;
  /** How long requests of the placement may wait when it is longer than the limit; `null`: it is not. */
  patienceMs?: (placement: ModelPlacement) => number | null;
  /** Distinguishes the leases of this process from those of others. */
  instance: string;
  /** Each lease carries its explanation. */
  explains?: boolean;
}

/** How often waiting requests try again without any news. */
const pumpEveryMs = 250;
/** Requests that may be passed over in one pump because only they cannot be placed (they have tried endpoints, or want one). */
const maxPassedOver = 16;

/** Level-1 sleep ends within seconds; a start from disk of a large model takes about two minutes. */
const defaultWakeMs = 120_000;
const defaultMaxHeld = 256;

export class Admission {
  readonly #options: AdmissionOptions;
  /** One queue per placement: names that lead to the same engines wait together. */
  readonly #queues = new Map<ModelPlacement, PriorityQueue<Waiting>>();
  readonly #unsubscribe: () => void;
  #ticker: Timer | null = null;
  #leases = 0;
  #live = 0;
  #closed = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#unsubscribe = options.routing.onChange(() => this.retry());
  }

  /** Leases not released yet. */
  get liveLeases(): number {
    return this.#live;
  }

  /** Requests that wait for the placement. */
  waiting(placement: ModelPlacement): number {
    return this.#queues.get(placement)?.length ?? 0;
  }

  /** A lease, or a wait for one. Throws `queue-full`, `no-eligible-endpoint`, `deadline-exceeded` or `shutting-down`. */
  admit(request: AdmissionRequest): Lease | AdmissionWait {
    let wakes: boolean;
    // Who comes later does not overtake those who wait, unless the order of the queue says so.
    if (this.waiting(request.placement) > 0)
      wakes = [...this.#queueOf(request.placement)].some((entry) => entry.held);
    else {
      const decision = this.#decide(request);
      if ('release' in decision) return decision;
      wakes = decision.outcome === 'none-eligible' && request.exclude.size === 0;
      wakes &&= this.#options.routing.wake?.(request.model) === true;
      if (!wakes) this.#refuseHopeless(request, decision);
    }
    if (this.#closed)
      throw new InfernodeError('shutting-down', 'the gateway is shutting down; try another one');
    this.#makeRoom(request, wakes);
    const wait = this.#enqueue(request, wakes);
    // A more urgent request may have its turn at once.
    this.#pump(request.placement);
    return wait;
  }

  /** Whether somebody else could take a request that has tried the excluded ones, now or after a wait. */
  hasUntried(request: AdmissionRequest): boolean {
    const { placement, chain, tokens, exclude, model } = request;
    const question = { id: '', chain, tokens, exclude, servedName: model };
    return placement.explain(question, this.#options.clock.monotonicMs()).outcome !== 'none-eligible';
  }

  /** Something may have become free elsewhere. */
  retry(): void {
    this.#pumpAll();
  }

  /** Everybody who waits is told to go elsewhere; requests that are placed go on. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#ticker?.cancel();
    for (const queue of this.#queues.values())
      for (const entry of queue)
        this.#turnAway(
          entry,
          'shutting-down',
          'shutting-down',
          'the gateway is shutting down; try another one',
        );
  }

  #decide(request: AdmissionRequest): Lease | PlacementDecision {
    const { clock, metrics, routing, instance } = this.#options;
    const id = `${instance}-${(this.#leases += 1)}`;
    const { placement, tokens, chain, sessionKey, requestId, exclude, only, streams = true } = request;
    const asked = {
      id,
      tokens,
      chain,
      exclude,
      only,
      streams,
      servedName: request.model,
      sessionKey,
      requestId,
    };
    const nowMs = clock.monotonicMs();
    // The dry run is the same choice; nothing can come between the two.
    const explanation = this.#options.explains ? placement.explain(asked, nowMs) : null;
    const decision = placement.decide(asked, nowMs);
    // Its endpoint is gone or takes nothing: any other says the truth, that it has no such response.
    if (only !== undefined && decision.outcome === 'none-eligible')
      return this.#decide({ ...request, only: undefined });
    metrics.placements.inc({ outcome: decision.outcome });
    if (decision.endpoint === null) return decision;
    this.#live += 1;
    const queue = this.#queueOf(placement);
    const { priority = 'medium' } = request;
    queue.took(priority);
    const endpoint = routing.endpoint(decision.endpoint);
    const lease = new Lease(id, decision.endpoint, endpoint, decision.outcome, placement, clock, () => {
      this.#live -= 1;
      queue.left(priority);
      this.#pump(placement);
    });
    lease.explanation = explanation;
    return lease;
  }

  /** Waiting helps when an endpoint is busy or on its way; not when there is none, or all have been tried. */
  #refuseHopeless(request: AdmissionRequest, { outcome, reason }: PlacementDecision): void {
    if (outcome !== 'none-eligible') return;
    if (request.exclude.size === 0 && request.placement.inFlight().size > 0) return;
    this.#options.metrics.queueRejected.inc({ reason: 'nothing-eligible' });
    throw new InfernodeError('no-eligible-endpoint', `no endpoint can serve ${request.model}: ${reason}`);
  }

  /** A place in the queue: of the class, and of all; in a full queue the last of a less urgent class makes room. */
  #makeRoom(request: AdmissionRequest, wakes: boolean): void {
    const { limits, metrics } = this.#options;
    const { priority = 'medium', model } = request;
    const queue = this.#queueOf(request.placement);
    const { places } = (limits.priorities ?? defaultPriorities)[priority];
    const full = queue.length >= limits.maxQueuedRequests;
    const displaced = full ? queue.displaceable(priority) : undefined;
    const heldFull = wakes && queue.length >= (limits.maxHeldRequests ?? defaultMaxHeld);
    if (queue.waiting(priority) >= places || (full && displaced === undefined) || heldFull) {
      metrics.queueRejected.inc({ reason: 'full' });
      throw new InfernodeError(
        'queue-full',
        `${wakes ? `${model} is waking` : `all endpoints of ${model} are busy`} and ${queue.length} requests wait already`,
      );
    }
    if (displaced !== undefined)
      this.#turnAway(
        displaced,
        'displaced',
        'queue-full',
        'more urgent requests took the places in the queue',
      );
  }

  #enqueue(request: AdmissionRequest, held: boolean): AdmissionWait {
    const { clock, limits } = this.#options;
    const queue = this.#queueOf(request.placement);
    const sinceMs = clock.monotonicMs();
    const { priority = 'medium', deadlineMs = Infinity } = request;
    const patienceMs = this.#options.patienceMs?.(request.placement) ?? 0;
    const longestMs = held
      ? (limits.wakeTimeoutMs ?? defaultWakeMs)
      : Math.max(limits.queueTimeoutMs, patienceMs);
    const waitMs = Math.min(longestMs, deadlineMs - sinceMs);
    let cancel = (): void => undefined;
    const lease = new Promise<Lease | null>((resolve, reject) => {
      const timer = clock.after(Math.max(0, waitMs), () => this.#timeOut(entry, waitMs));
      const entry: Waiting = { request, priority, held, sinceMs, timer, resolve, reject };
      cancel = () => {
        if (this.#remove(entry)) resolve(null);
      };
      queue.push(entry);
    });
    this.#options.metrics.queued.inc({ model: request.model });
    this.#options.metrics.queuedTokens.inc({ model: request.model }, request.tokens);
    this.#ticker ??= clock.every(pumpEveryMs, () => this.#pumpAll());
    return { lease, cancel };
  }

  #queueOf(placement: ModelPlacement): PriorityQueue<Waiting> {
    const known = this.#queues.get(placement);
    if (known !== undefined) return known;
    const queue = new PriorityQueue<Waiting>();
    this.#queues.set(placement, queue);
    return queue;
  }

  #timeOut(entry: Waiting, waitMs: number): void {
    const { model, deadlineMs = Infinity } = entry.request;
    if (this.#options.clock.monotonicMs() >= deadlineMs)
      this.#turnAway(entry, 'deadline', 'deadline-exceeded', 'the deadline passed while the request waited');
    else
      this.#turnAway(
        entry,
        'timeout',
        'no-eligible-endpoint',
        `no endpoint of ${model} could take the request within ${waitMs} ms`,
      );
  }

  #turnAway(entry: Waiting, reason: string, code: ErrorCode, message: string): void {
    if (!this.#remove(entry)) return;
    this.#options.metrics.queueRejected.inc({ reason });
    entry.reject(new InfernodeError(code, message));
  }

  #pumpAll(): void {
    let waiting = 0;
    for (const [placement, queue] of this.#queues) {
      this.#pump(placement);
      if (queue.length === 0 && queue.inFlight === 0) this.#queues.delete(placement);
      waiting += queue.length;
    }
    if (waiting > 0) return;
    this.#ticker?.cancel();
    this.#ticker = null;
  }

  /** Places in the order of turns, which every placement may change; stops at the first that cannot be placed for reasons all share. */
  #pump(placement: ModelPlacement): void {
    const queue = this.#queues.get(placement);
    if (queue === undefined || queue.length === 0) return;
    while (this.#placeNext(queue));
  }

  #placeNext(queue: PriorityQueue<Waiting>): boolean {
    const { clock, limits, metrics } = this.#options;
    const nowMs = clock.monotonicMs();
    const starvedSinceMs = nowMs - limits.queueTimeoutMs / 2;
    let passedOver = 0;
    for (const entry of queue.inOrder(limits.priorities ?? defaultPriorities, starvedSinceMs)) {
      const lease = this.#decide(entry.request);
      if ('release' in lease) {
        this.#remove(entry);
        metrics.queueWait.observe(entry.request.model, (nowMs - entry.sinceMs) / 1000);
        entry.resolve(lease);
        return true;
      }
      const { exclude, only } = entry.request;
      if ((exclude.size === 0 && only === undefined) || (passedOver += 1) > maxPassedOver) return false;
    }
    return false;
  }

  #remove(entry: Waiting): boolean {
    const { placement, model, tokens } = entry.request;
    if (this.#queues.get(placement)?.remove(entry) !== true) return false;
    entry.timer.cancel();
    this.#options.metrics.queued.dec({ model });
    this.#options.metrics.queuedTokens.dec({ model }, tokens);
    return true;
  }
}
