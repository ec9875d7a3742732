import { Counter, Gauge, type Registry } from 'prom-client';

/** What the publishing of the node's state costs, and how slow its readers are. */
export class NodeMetrics {
  readonly revision: Gauge;
  readonly watchers: Gauge;
  readonly coalescedDeltas: Counter;
  readonly skippedHeartbeats: Counter;
  readonly refusedWatchers: Counter;
  readonly rpcErrors: Counter<'method' | 'reason'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.revision = new Gauge({
      name: 'infernode_node_revision',
      help: 'Revision of the node state within this agent process',
      registers,
    });
    this.watchers = new Gauge({
      name: 'infernode_node_watchers',
      help: 'Open WatchNode streams',
      registers,
    });
    this.coalescedDeltas = new Counter({
      name: 'infernode_node_coalesced_deltas_total',
      help: 'Deltas merged into a waiting one because a watcher reads slowly',
      registers,
    });
    this.skippedHeartbeats = new Counter({
      name: 'infernode_node_skipped_heartbeats_total',
      help: 'Heartbeats not written because a watcher reads slowly',
      registers,
    });
    this.refusedWatchers = new Counter({
      name: 'infernode_node_refused_watchers_total',
      help: 'WatchNode calls refused because there were too many',
      registers,
    });
    this.rpcErrors = new Counter({
      name: 'infernode_node_rpc_errors_total',
      help: 'Failed calls of NodeService by reason code',
      labelNames: ['method', 'reason'],
      registers,
    });
  }
}
