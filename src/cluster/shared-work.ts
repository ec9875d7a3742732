/**
 * One view of the work in flight for all coordinators, without a leader. Our own leases go to the agents of their endpoints;
 * what the agents tell of the others' is observed by the placements here. Leases of others are released exactly once: by
 * their end, by a complete list without them, or when the agent can no longer be heard.
 */
import type { EndpointState } from '../domain/endpoint.js';
import { packChain, unpackChain } from '../domain/work.js';
import type { CoordinatorWork, WorkEvent, WorkLease, WorkUpdate } from '../domain/work.js';
import type { ModelPlacement, PlacedLease } from '../placement/placement-types.js';
import type { NodeServiceClient } from '../rpc/node-service-client.js';
import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { ClusterMetrics } from './cluster-metrics.js';
import { WorkReporter } from './work-reporter.js';

/** What is told of the work of others. */
export type ObservingPlacement = Pick<ModelPlacement, 'observe' | 'firstToken' | 'done'>;

export interface SharedWorkOptions {
  /** Random per process; the name under which our leases are known. */
  epoch: string;
  chainVersion: string;
  /** Of `placement.hashSeed`. */
  seedFingerprint: string;
  endpoint: (id: string) => EndpointState | undefined;
  placementOf: (endpointId: string) => ObservingPlacement | undefined;
  clock: Clock;
  logger: Logger;
  metrics: ClusterMetrics;
}

/** Coordinators remembered for keys that cannot be used here; as many as an agent takes at once. */
const maxMisfits = 64;
/** One that has not placed anything for so long is no longer spoken of. */
const misfitMs = 5 * 60_000;

interface Foreign {
  endpointId: string;
  placement: ObservingPlacement;
}

export class SharedWork {
  readonly #options: SharedWorkOptions;
  readonly #reporters = new Map<string, WorkReporter>();
  /** Own live leases by node and id; the agent's opening list. */
  readonly #own = new Map<string, Map<string, WorkLease>>();
  readonly #nodeOf = new Map<string, string>();
  /** Live leases of others by node and `coordinator/lease`. */
  readonly #foreign = new Map<string, Map<string, Foreign>>();
  /** By coordinator, the one heard last at the end. */
  readonly #misfits = new Map<string, { why: string; heardAtMs: number }>();

  constructor(options: SharedWorkOptions) {
    this.#options = options;
  }

  get epoch(): string {
    return this.#options.epoch;
  }

  /** Others see our work on that node, and we see theirs; otherwise placement there goes by the local view. */
  isShared(node: string): boolean {
    return this.#reporters.get(node)?.shared ?? false;
  }

  /** Leases of others that count here now. */
  get foreignLeases(): number {
    let count = 0;
    for (const leases of this.#foreign.values()) count += leases.size;
    return count;
  }

  /** Coordinators heard lately whose block keys cannot be used here, and why. */
  get foreignChains(): string[] {
    const since = this.#options.clock.monotonicMs() - misfitMs;
    return [...this.#misfits.values()].filter(({ heardAtMs }) => heardAtMs >= since).map(({ why }) => why);
  }

  // --- what placements here do ---

  placed(lease: PlacedLease): void {
    const { id, requestId, endpointId, tokens, uncachedTokens, chain, streams } = lease;
    const endpoint = this.#options.endpoint(endpointId);
    if (!endpoint) return;
    const { node, engineId, incarnation } = endpoint;
    const own: WorkLease = {
      id,
      requestId,
      engineId,
      incarnation,
      tokens,
      uncachedTokens,
      chain: packChain(chain),
      started: false,
      unstreamed: !streams,
    };
    this.#nodeOf.set(id, node);
    mapOf(this.#own, node).set(id, own);
    this.#push(node, { kind: 'placed', lease: own, ageMs: 0 });
  }

  firstToken(id: string, cachedTokens?: number): void {
    const node = this.#nodeOf.get(id);
    const lease = node === undefined ? undefined : this.#own.get(node)?.get(id);
    if (node === undefined || !lease) return;
    lease.started = true;
    this.#push(node, { kind: 'first-token', id, cachedTokens: cachedTokens ?? null, ageMs: 0 });
  }

  released(id: string): void {
    const node = this.#nodeOf.get(id);
    if (node === undefined) return;
    this.#nodeOf.delete(id);
    this.#own.get(node)?.delete(id);
    this.#push(node, { kind: 'done', id, ageMs: 0 });
  }

  #push(node: string, event: WorkEvent): void {
    this.#reporters.get(node)?.push(event);
  }

  // --- what agents say ---

  /** The node's agent is heard: begins to report to it. Returns how to end that. */
  begin(node: string, client: Pick<NodeServiceClient, 'reportWork'>): () => void {
    const { epoch, chainVersion, seedFingerprint, clock, metrics } = this.#options;
    this.#reporters.get(node)?.close();
    const reporter = new WorkReporter({
      coordinator: epoch,
      chainVersion,
      seedFingerprint,
      open: (listener) => client.reportWork(listener),
      leases: () => [...(this.#own.get(node)?.values() ?? [])],
      clock,
      metrics,
    });
    this.#reporters.set(node, reporter);
    return () => {
      reporter.close();
      if (this.#reporters.get(node) === reporter) this.#reporters.delete(node);
    };
  }

  /** What others have in flight on the node's engines. */
  apply(node: string, { complete, work }: WorkUpdate): void {
    const known = mapOf(this.#foreign, node);
    const named = new Set<string>();
    for (const source of work) {
      const { coordinator, events } = source;
      if (coordinator === this.epoch) continue;
      const usable = this.#understands(source);
      for (const event of events) {
        const key = `${coordinator}/${event.kind === 'placed' ? event.lease.id : event.id}`;
        named.add(key);
        this.#take(node, known, key, event, usable);
      }
    }
    if (complete) for (const key of [...known.keys()]) if (!named.has(key)) this.#release(known, key, 0);
  }

  /** The agent is not heard any more: what it told of others may be over by now. Own leases stay. */
  forget(node: string): void {
    const known = this.#foreign.get(node);
    if (!known) return;
    for (const key of [...known.keys()]) this.#release(known, key, 0);
    this.#foreign.delete(node);
  }

  /** Keys of another version or seed look like keys of other prompts: they would fill the memory and never be found. */
  #understands({ coordinator, chainVersion, seedFingerprint }: CoordinatorWork): boolean {
    const { chainVersion: version, seedFingerprint: seed, clock, logger } = this.#options;
    const sameVersion = chainVersion === version;
    // Coordinators that do not tell a fingerprint yet are taken at their word.
    if (sameVersion && (seedFingerprint === '' || seedFingerprint === seed)) {
      this.#misfits.delete(coordinator);
      return true;
    }
    const known = this.#misfits.get(coordinator);
    const why = sameVersion
      ? `coordinator ${coordinator} has another placement.hashSeed: give all coordinators of a cluster the same`
      : `coordinator ${coordinator} has block keys of version ${chainVersion.slice(0, 80)}, expected ${version}: run the same release on all`;
    this.#misfits.delete(coordinator);
    this.#misfits.set(coordinator, { why, heardAtMs: clock.monotonicMs() });
    for (const oldest of this.#misfits.keys())
      if (this.#misfits.size > maxMisfits) this.#misfits.delete(oldest);
      else break;
    if (known?.why !== why) logger.warn({ coordinator }, `prompts are not shared: ${why}`);
    return false;
  }

  #take(
    node: string,
    known: Map<string, Foreign>,
    key: string,
    event: WorkEvent,
    usableChain: boolean,
  ): void {
    const nowMs = this.#options.clock.monotonicMs() - Math.max(0, event.ageMs);
    switch (event.kind) {
      case 'placed':
        this.#observe(node, known, key, event.lease, usableChain, nowMs);
        break;
      case 'first-token':
        known.get(key)?.placement.firstToken(key, nowMs, event.cachedTokens ?? undefined);
        break;
      case 'done':
        this.#release(known, key, event.ageMs);
    }
  }

  /** A complete list names again what is known already. */
  #observe(
    node: string,
    known: Map<string, Foreign>,
    key: string,
    lease: WorkLease,
    usableChain: boolean,
    nowMs: number,
  ): void {
    const { metrics } = this.#options;
    const { tokens, uncachedTokens, started, unstreamed } = lease;
    if (!usableChain && lease.chain.length > 0 && !known.has(key)) metrics.foreignChains.inc();
    if (known.has(key)) return;
    const endpointId = `${node}/${lease.engineId}`;
    const placement = this.#options.placementOf(endpointId);
    if (!placement || this.#options.endpoint(endpointId)?.incarnation !== lease.incarnation) return;
    const chain = usableChain ? unpackChain(lease.chain) : [];
    const request = { id: key, tokens, chain, uncachedTokens, started, streams: !unstreamed };
    placement.observe(request, endpointId, nowMs);
    known.set(key, { endpointId, placement });
  }

  #release(known: Map<string, Foreign>, key: string, ageMs: number): void {
    const foreign = known.get(key);
    if (!foreign) return;
    known.delete(key);
    foreign.placement.done(key, this.#options.clock.monotonicMs() - Math.max(0, ageMs));
  }
}

function mapOf<V>(maps: Map<string, Map<string, V>>, key: string): Map<string, V> {
  let found = maps.get(key);
  if (!found) maps.set(key, (found = new Map<string, V>()));
  return found;
}
