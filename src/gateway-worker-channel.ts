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
import { nonePast, PastWriter, type PastRequest, type PastRequests } from './gateway-worker-past.js';
import type { ObservedRequest, PlacedLease } from './placement/placement-types.js';
import type { Clock, Timer } from './runtime/clock.js';

export type WorkEvent =
  | { kind: 'placed'; lease: PlacedLease }
  | { kind: 'first-token'; id: string; cachedTokens: number | undefined }
  | { kind: 'released'; id: string }
  | { kind: 'response'; id: string; place: ResponsePlace }
  | { kind: 'rate'; scopes: readonly RateScope[]; tokens: number; settles: boolean };

/** Written once, and passed on by the parent as it is. */
export interface WorkBatch {
  past: PastRequests;
  /** The events as one text, which is read at a quarter of what the channel's own serializer takes for objects. */
  events: string;
}

export const batchOf = (events: readonly WorkEvent[], past: PastRequests = nonePast): WorkBatch => ({
  past,
  events: events.length === 0 ? '' : JSON.stringify(events),
});
export const eventsOf = ({ events }: WorkBatch): WorkEvent[] =>
  events === '' ? [] : (JSON.parse(events) as WorkEvent[]);

/** What a placement is told of a request that has ended; it keeps nothing under an id. */
export function pastOf(request: PastRequest): ObservedRequest {
  const { tokens, uncachedTokens, chain, streams, cachedTokens } = request;
  return { id: '', requestId: '', tokens, uncachedTokens, chain, streams, ended: { cachedTokens } };
}

interface Begun {
  lease: PlacedLease;
  sinceMs: number;
  started: boolean;
  cachedTokens: number | undefined;
}

/**
 * What a worker has to tell. A request that has ended before it was told is no event any more: nobody else can count it as in
 * flight, and what it did to caches may wait.
 */
export class WorkJournal {
  readonly #begun = new Map<string, Begun>();
  readonly #past = new PastWriter();
  #events: WorkEvent[] = [];
  #pastToldMs = -Infinity;

  get isEmpty(): boolean {
    return this.#begun.size === 0 && this.#events.length === 0 && this.#past.isEmpty;
  }

  push(event: WorkEvent, nowMs: number): void {
    const begun = 'id' in event ? this.#begun.get(event.id) : undefined;
    if (event.kind === 'placed') {
      const { lease } = event;
      this.#begun.set(lease.id, { lease, sinceMs: nowMs, started: false, cachedTokens: undefined });
    } else if (event.kind === 'first-token' && begun) {
      begun.started = true;
      begun.cachedTokens = event.cachedTokens ?? begun.cachedTokens;
    } else if (event.kind === 'released' && begun) {
      this.#begun.delete(event.id);
      this.#past.add(begun.lease, begun.started, begun.cachedTokens);
    } else this.#events.push(event);
  }

  /** All that is due; `null` when nothing is. */
  take(nowMs: number): WorkBatch | null {
    for (const [id, { lease, sinceMs, started, cachedTokens }] of this.#begun) {
      if (nowMs - sinceMs < leastAgeMs) break;
      this.#begun.delete(id);
      this.#events.push({ kind: 'placed', lease });
      if (started) this.#events.push({ kind: 'first-token', id, cachedTokens });
    }
    const pastDue = !this.#past.isEmpty && nowMs - this.#pastToldMs >= pastEveryMs;
    if (this.#events.length === 0 && !pastDue) return null;
    this.#pastToldMs = nowMs;
    const events = this.#events;
    this.#events = [];
    return batchOf(events, this.#past.take());
  }
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

/**
 * Least time between two messages, ms. A message wakes a process whose code and data have left the caches, which takes 100 to 300 us
 * however little it says. Both hops and `leastAgeMs` together are within the agents' fold, 50 ms.
 */
export const everyMs = { toParent: 32, toWorker: 8 } as const;
/** What is to be told after a pause waits so long for company, ms: limits hold the better the sooner they are known. */
const gatherMs = 1;
/** Requests younger than this wait for the next message, ms: many have ended by then, and make none necessary. */
const leastAgeMs = 8;
/** How long those that have ended may wait for company, ms: they change what is known of caches, which the next turn of a talk asks for. */
const pastEveryMs = 8 * everyMs.toParent;

/** How long to wait, ms, from how long ago the last message was and the time that all processes share. */
type Pace = (sinceMs: number, wallMs: number) => number;

export const paces = {
  /** All workers at the same moments, so that the parent wakes once for all of them; the first after a pause sooner. */
  toParent: (sinceMs, wallMs) =>
    sinceMs >= everyMs.toParent ? gatherMs : everyMs.toParent - (wallMs % everyMs.toParent),
  /** At once when it may, so that what a worker told wakes the parent once. */
  toWorker: (sinceMs) => everyMs.toWorker - sinceMs,
} as const satisfies Record<string, Pace>;

/**
 * Says when to tell one process what there is; nothing is lost here, for the channel is a pipe to a process of our own on the same
 * machine.
 */
export class Pacer {
  #timer: Timer | null = null;
  #lastMs = -Infinity;

  constructor(
    readonly clock: Clock,
    /** One of `paces`. */
    readonly pace: Pace,
    /** Whether something is left to tell. */
    readonly send: () => boolean,
  ) {}

  /** There is something to tell. */
  wake(): void {
    if (this.#timer !== null) return;
    const afterMs = this.pace(this.clock.monotonicMs() - this.#lastMs, this.clock.wallMs());
    if (afterMs <= 0) this.#tell();
    else this.#timer = this.clock.after(afterMs, () => this.#tell());
  }

  #tell(): void {
    this.#timer = null;
    this.#lastMs = this.clock.monotonicMs();
    if (this.send()) this.wake();
  }
}
