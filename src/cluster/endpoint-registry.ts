/**
 * Every endpoint of the cluster by id. A node's state replaces all endpoints of that node at once; whoever listens hears
 * one batch per state, in the same turn of the event loop in which the state arrived.
 */
import type { EndpointState } from '../domain/endpoint.js';
import type { NodeState } from '../domain/node-state.js';
import type { Logger } from '../runtime/logger.js';
import type { ClusterMetrics } from './cluster-metrics.js';
import { emitTo } from './emit.js';
import { endpointsOf, sameEndpoint, type NodeView } from './node-endpoints.js';

export interface EndpointNews {
  /** New ones and those that differ, as they are now. */
  changed: readonly EndpointState[];
  /** As they were last. */
  removed: readonly EndpointState[];
  /** Lost to new work: evicting, or newly cordoned; also among `changed`. */
  evicted: readonly { id: string; reason: string }[];
}

export type EndpointListener = (news: EndpointNews) => void;

export interface EndpointRegistryOptions {
  metrics: ClusterMetrics;
  logger: Logger;
}

export class EndpointRegistry {
  readonly #options: EndpointRegistryOptions;
  readonly #endpoints = new Map<string, EndpointState>();
  readonly #idsByNode = new Map<string, Set<string>>();
  readonly #listeners = new Set<EndpointListener>();
  /** The last death of each endpoint for which requests were suspected, by incarnation. */
  readonly #suspicions = new Map<string, string>();

  constructor(options: EndpointRegistryOptions) {
    this.#options = options;
  }

  get(id: string): EndpointState | undefined {
    return this.#endpoints.get(id);
  }

  all(): IterableIterator<EndpointState> {
    return this.#endpoints.values();
  }

  /** Returns the unsubscribe function. */
  onNews(listener: EndpointListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The node's endpoints are these and no others. */
  applyNode(state: NodeState, view: NodeView): void {
    const known = this.#idsByNode.get(state.node) ?? new Set<string>();
    const ids = new Set<string>();
    const changed: EndpointState[] = [];
    const evicted: { id: string; reason: string }[] = [];
    for (const endpoint of endpointsOf(state, view)) {
      const before = this.#endpoints.get(endpoint.id);
      ids.add(endpoint.id);
      if (before && sameEndpoint(before, endpoint)) continue;
      this.#endpoints.set(endpoint.id, endpoint);
      changed.push(endpoint);
      this.#tellUnusable(state, endpoint);
      const reason = lossOf(before, endpoint);
      if (reason !== null) evicted.push({ id: endpoint.id, reason });
    }
    this.#tellSuspicions(state);
    const removed = this.#remove([...known].filter((id) => !ids.has(id)));
    this.#idsByNode.set(state.node, ids);
    this.#emit({ changed, removed, evicted });
  }

  /** The agent says that it serves, and it cannot be reached from here, or not with what is known here. */
  #tellUnusable({ engines }: NodeState, { id, engineId, engineState, engineReason }: EndpointState): void {
    const engine = engines.find((one) => one.id === engineId);
    if (engine?.state !== 'ready' || engineState === 'ready') return;
    this.#options.logger.warn(
      { endpoint: id, reason: engineReason },
      'an engine that is ready gets no requests',
    );
  }

  /** Once for each death; the gateway's log has the same ids as `workId`. */
  #tellSuspicions({ node, engines }: NodeState): void {
    for (const { id, lastDeath } of engines) {
      const endpoint = `${node}/${id}`;
      if (!lastDeath?.suspectedPoison.length || this.#suspicions.get(endpoint) === lastDeath.incarnation)
        continue;
      this.#suspicions.set(endpoint, lastDeath.incarnation);
      this.#options.metrics.suspectedPoison.inc(lastDeath.suspectedPoison.length);
      const { suspectedPoison: workIds, reason } = lastDeath;
      this.#options.logger.warn(
        { endpoint, workIds, reason },
        'requests were in flight at two deaths: suspected poison',
      );
    }
  }

  removeNode(node: string): void {
    const removed = this.#remove(this.#idsByNode.get(node) ?? []);
    this.#idsByNode.delete(node);
    this.#emit({ changed: [], removed, evicted: [] });
  }

  #remove(ids: Iterable<string>): EndpointState[] {
    const removed: EndpointState[] = [];
    for (const id of ids) {
      const endpoint = this.#endpoints.get(id);
      if (endpoint) removed.push(endpoint);
      this.#endpoints.delete(id);
      this.#suspicions.delete(id);
    }
    return removed;
  }

  #emit(news: EndpointNews): void {
    if (news.changed.length === 0 && news.removed.length === 0) return;
    this.#options.metrics.evictions.inc(news.evicted.length);
    emitTo(this.#listeners, this.#options.logger, news);
  }
}

/** Why the endpoint has just been lost to new work: evicting, or cordoned; `null` when it has not. */
function lossOf(before: EndpointState | undefined, after: EndpointState): string | null {
  if (after.evicting && !before?.evicting) return after.deviceReason || after.engineReason;
  const cordoned =
    after.cordonHolders.length > 0 && before !== undefined && before.cordonHolders.length === 0;
  return cordoned ? `cordoned by ${after.cordonHolders.join(', ')}` : null;
}
