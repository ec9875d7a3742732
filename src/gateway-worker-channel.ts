/**
 * What a coordinator and its gateway workers tell each other. State goes down whole at the start and as news afterwards;
 * work in flight and used limits go up, and from there to the other workers: they are coordinators to each other, without
 * the detour through the agents.
 */
import type { EndpointNews } from './cluster/endpoint-registry.js';
import type { CoordinatorConfig } from './config/coordinator-config.js';
import type { EndpointState } from './domain/endpoint.js';
import type { ResponsePlace } from './gateway/admission/response-places.js';
import type { RateScope } from './gateway/keys/rate-store.js';
import type { ObservedRequest, PlacedLease } from './placement/placement-types.js';
import type { Clock, Timer } from './runtime/clock.js';

export type WorkEvent =
  | { kind: 'placed'; lease: PlacedLease }
  | { kind: 'first-token'; id: string; cachedTokens: number | undefined }
  | { kind: 'released'; id: string }
  /** All three of the above, of a request that began and ended between two messages. */
  | { kind: 'past'; lease: PlacedLease; started: boolean; cachedTokens: number | undefined }
  | { kind: 'response'; id: string; place: ResponsePlace }
  | { kind: 'rate'; scopes: readonly RateScope[]; tokens: number; settles: boolean };

/**
 * Events as one text: written once, passed on by the parent as it is, and read at a quarter of what the channel's own
 * serializer takes for objects.
 */
export type WorkBatch = string;

export const batchOf = (events: readonly WorkEvent[]): WorkBatch => JSON.stringify(folded(events));
export const eventsOf = (batch: WorkBatch): WorkEvent[] => JSON.parse(batch) as WorkEvent[];

/** What a placement is told of it. */
export function pastOf({ lease, cachedTokens }: Extract<WorkEvent, { kind: 'past' }>): ObservedRequest {
  const { id, requestId, tokens, uncachedTokens, chain, streams } = lease;
  return { id, requestId, tokens, uncachedTokens, chain, streams, ended: { cachedTokens } };
}

/**
 * A request that was placed and has ended within the same batch is one event. Nobody else can count it as in flight any more, and
 * what is neither entered nor taken out costs each reader a third.
 */
export function folded(events: readonly WorkEvent[]): WorkEvent[] {
  const open = new Map<string, { lease: PlacedLease; started: boolean; cachedTokens: number | undefined }>();
  const result: WorkEvent[] = [];
  for (const event of events) {
    const id = event.kind === 'placed' ? event.lease.id : 'id' in event ? event.id : '';
    const begun = open.get(id);
    if (event.kind === 'placed')
      open.set(id, { lease: event.lease, started: false, cachedTokens: undefined });
    else if (event.kind === 'first-token' && begun) {
      begun.started = true;
      begun.cachedTokens = event.cachedTokens ?? begun.cachedTokens;
    } else if (event.kind === 'released' && begun) {
      open.delete(id);
      result.push({ kind: 'past', ...begun });
    } else result.push(event);
  }
  for (const { lease, started, cachedTokens } of open.values()) {
    result.push({ kind: 'placed', lease });
    if (started) result.push({ kind: 'first-token', id: lease.id, cachedTokens });
  }
  return result;
}

export type ToWorker =
  | { kind: 'start'; config: CoordinatorConfig; endpoints: EndpointState[]; work: WorkEvent[] }
  | { kind: 'news'; news: EndpointNews }
  | { kind: 'work'; batches: WorkBatch[] }
  | { kind: 'reload'; config: CoordinatorConfig }
  | { kind: 'reload-keys' }
  | { kind: 'close' }
  | { kind: 'destroy'; reason: string }
  | { kind: 'metrics'; id: number };

export type FromWorker =
  | { kind: 'asks' }
  | { kind: 'listening'; host: string; port: number }
  | { kind: 'failed'; message: string }
  | { kind: 'work'; batch: WorkBatch }
  | { kind: 'metrics'; id: number; values: object[] }
  /** Requests wait for a model that sleeps. */
  | { kind: 'wake'; model: string };

/** The first item after a pause waits so long for others to travel with, ms. */
const gatherMs = 1;
/**
 * Least time between two messages, ms. A message costs both processes a system call, a wake-up and cold caches: without these
 * bounds each of a request's three events would be one, passed on once more by the parent. Most of the time is given to the
 * first hop, where a request may begin and end within one message; both together take as long as the agents' fold, 50 ms.
 */
export const everyMs = { toParent: 40, toWorker: 8 } as const;

/** Gathers what goes to one process; nothing is lost here, for the channel is a pipe to a process of our own on the same machine. */
export class WorkGatherer<T> {
  #items: T[] = [];
  #timer: Timer | null = null;
  #sentMs = -Infinity;

  constructor(
    readonly clock: Clock,
    /** One of `everyMs`. */
    readonly leastMs: number,
    readonly send: (items: T[]) => void,
  ) {}

  push(item: T): void {
    this.#items.push(item);
    if (this.#timer !== null) return;
    const dueMs = this.#sentMs + this.leastMs - this.clock.monotonicMs();
    this.#timer = this.clock.after(Math.max(gatherMs, dueMs), () => {
      this.#timer = null;
      this.#sentMs = this.clock.monotonicMs();
      const items = this.#items;
      this.#items = [];
      this.send(items);
    });
  }
}
