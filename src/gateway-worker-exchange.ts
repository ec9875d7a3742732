/**
 * The work in flight of all gateway workers and of the coordinator that they belong to: what one of them places, starts and ends
 * reaches the others, the placements here and the agents.
 */
import type { EndpointRegistry } from './cluster/endpoint-registry.js';
import type { ObservingPlacement } from './cluster/shared-work.js';
import type { GatewayWorkerMetrics } from './gateway/gateway-worker-metrics.js';
import {
  batchOf,
  eventsOf,
  Pacer,
  paces,
  pastOf,
  type WorkBatch,
  type WorkEvent,
} from './gateway-worker-channel.js';
import { readPast, type PastRequest } from './gateway-worker-past.js';
import { LiveLeases } from './live-leases.js';
import type { ModelPlacement, PlacedLease } from './placement/placement-types.js';
import type { Clock } from './runtime/clock.js';

export interface GatewayWorkerExchangeOptions {
  endpoints: Pick<EndpointRegistry, 'get'>;
  placementOf: (endpointId: string) => ModelPlacement | undefined;
  /** What the workers place, for the agents. */
  work: {
    placed(lease: PlacedLease): void;
    firstToken(id: string, cachedTokens?: number): void;
    released(id: string): void;
  };
  clock: Clock;
}

/** A worker, as one that places. */
export interface WorkMember {
  /** What it is to be told. */
  readonly batches: WorkBatch[];
  readonly pacer: Pacer;
  /** Leases of this worker: they end with it. */
  readonly leases: LiveLeases;
}

export class GatewayWorkerExchange {
  readonly #options: GatewayWorkerExchangeOptions;
  readonly #metrics: GatewayWorkerMetrics;
  readonly #members = new Set<WorkMember>();
  readonly #inFlight = new Map<string, number>();
  /** Live leases that no worker placed: of other coordinators, and of the placement service. A new worker hears of them. */
  readonly #elsewhere = new LiveLeases();
  /** Names those that have ended for the agents. */
  #pastRequests = 0;

  constructor(options: GatewayWorkerExchangeOptions, metrics: GatewayWorkerMetrics) {
    this.#options = options;
    this.#metrics = metrics;
  }

  join(send: (batches: WorkBatch[]) => void): WorkMember {
    const batches: WorkBatch[] = [];
    const pacer = new Pacer(this.#options.clock, paces.toWorker, () => {
      send(batches.splice(0));
      return false;
    });
    const member = { batches, pacer, leases: new LiveLeases() };
    this.#members.add(member);
    return member;
  }

  /** Its leases end with it. */
  leave(member: WorkMember): void {
    this.#members.delete(member);
    const ends = member.leases.ids().map((id): WorkEvent => ({ kind: 'released', id }));
    this.#pass(member, batchOf(ends));
    for (const end of ends) this.#carry(member, end);
  }

  /** What makes a new worker know all work as it is now. */
  asEvents(): WorkEvent[] {
    return [this.#elsewhere, ...[...this.#members].map(({ leases }) => leases)].flatMap((live) =>
      live.asEvents(),
    );
  }

  /** Something was placed, started or ended outside the workers; they should know. */
  push(event: WorkEvent): void {
    this.#elsewhere.keep(event);
    const batch = batchOf([event]);
    for (const member of this.#members) tell(member, batch);
  }

  /** News of a worker: to the other workers, to the agents and to the placement here. */
  take(from: WorkMember, batch: WorkBatch): void {
    this.#pass(from, batch);
    const nowMs = this.#options.clock.monotonicMs();
    readPast(batch.past, (request) => this.#carryPast(request, nowMs));
    for (const event of eventsOf(batch)) this.#carry(from, event);
  }

  /** A placement of the parent that hears of other coordinators' work, and tells the workers. */
  told(placement: ModelPlacement): ObservingPlacement {
    return {
      observe: (request, endpointId, nowMs) => {
        placement.observe(request, endpointId, nowMs);
        const { uncachedTokens = request.tokens, requestId = '', streams = true } = request;
        this.push({ kind: 'placed', lease: { ...request, requestId, uncachedTokens, streams, endpointId } });
        if (request.started) this.push({ kind: 'first-token', id: request.id, cachedTokens: undefined });
      },
      firstToken: (id, nowMs, cachedTokens) => {
        placement.firstToken(id, nowMs, cachedTokens);
        this.push({ kind: 'first-token', id, cachedTokens });
      },
      done: (id, nowMs) => {
        placement.done(id, nowMs);
        this.push({ kind: 'released', id });
      },
    };
  }

  #pass(from: WorkMember, batch: WorkBatch): void {
    for (const member of this.#members) if (member !== from) tell(member, batch);
  }

  #carryPast(request: PastRequest, nowMs: number): void {
    const { placementOf, work } = this.#options;
    const { endpointId, tokens, uncachedTokens, chain, streams, started, cachedTokens } = request;
    placementOf(endpointId)?.observe(pastOf(request), endpointId, nowMs);
    const id = `past-${(this.#pastRequests += 1)}`;
    // Member by member: V8 spreads an object outside its compiled code.
    work.placed({ id, requestId: '', endpointId, tokens, uncachedTokens, chain, streams });
    if (started) work.firstToken(id, cachedTokens);
    work.released(id);
  }

  #carry(from: WorkMember, event: WorkEvent): void {
    const { placementOf, work, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const known = 'id' in event ? from.leases.get(event.id) : undefined;
    from.leases.keep(event);
    if (event.kind === 'placed') {
      const { endpointId } = event.lease;
      placementOf(endpointId)?.observe(event.lease, endpointId, nowMs);
      work.placed(event.lease);
      this.#count(endpointId, 1);
    } else if (event.kind === 'first-token') {
      if (known) placementOf(known.endpointId)?.firstToken(event.id, nowMs, event.cachedTokens);
      work.firstToken(event.id, event.cachedTokens);
    } else if (event.kind === 'released') {
      if (!known) return;
      placementOf(known.endpointId)?.done(event.id, nowMs);
      work.released(event.id);
      this.#count(known.endpointId, -1);
    }
  }

  #count(endpointId: string, change: 1 | -1): void {
    const requests = (this.#inFlight.get(endpointId) ?? 0) + change;
    if (requests === 0) this.#inFlight.delete(endpointId);
    else this.#inFlight.set(endpointId, requests);
    if (change < 0) return;
    if (requests > (this.#options.endpoints.get(endpointId)?.maxConcurrent ?? Infinity))
      this.#metrics.overshoots.inc();
  }
}

function tell(member: WorkMember, batch: WorkBatch): void {
  member.batches.push(batch);
  member.pacer.wake();
}
