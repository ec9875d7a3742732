import { Counter, Gauge, type Registry } from 'prom-client';

/** What the publishing of the node's state costs, and how slow its readers are. */
export class NodeMetrics {
  readonly revision: Gauge;
  readonly watchers: Gauge;
  readonly coalescedDeltas: Counter;
  readonly skippedHeartbeats: Counter;
  readonly refusedWatchers: Counter;
  readonly rpcErrors: Counter<'method' | 'reason'>;
  readonly coordinators: Gauge;
  readonly leases: Gauge;
  readonly unconfirmedLeases: Gauge;
  readonly expiredLeases: Counter;
  readonly droppedLeases: Counter<'reason'>;
  readonly capOvershoots: Counter;
  readonly coalescedWork: Counter;

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
    this.coordinators = new Gauge({
      name: 'infernode_node_coordinators',
      help: 'Coordinators whose work in flight is known, those out of touch included',
      registers,
    });
    this.leases = new Gauge({
      name: 'infernode_node_leases',
      help: 'Requests in flight on the engines of this node as coordinators report them',
      registers,
    });
    this.unconfirmedLeases = new Gauge({
      name: 'infernode_node_unconfirmed_leases',
      help: 'Those of coordinators that are out of touch; they count until their grace is over',
      registers,
    });
    this.expiredLeases = new Counter({
      name: 'infernode_node_expired_leases_total',
      help: 'Leases ended because their coordinator stayed out of touch beyond the grace',
      registers,
    });
    this.droppedLeases = new Counter({
      name: 'infernode_node_dropped_leases_total',
      help: 'Reported leases not taken, by reason: engine-gone, duplicate, too-many',
      labelNames: ['reason'],
      registers,
    });
    this.capOvershoots = new Counter({
      name: 'infernode_node_cap_overshoots_total',
      help: 'Requests that several coordinators together placed beyond the hard cap of an engine',
      registers,
    });
    this.coalescedWork = new Counter({
      name: 'infernode_node_coalesced_work_total',
      help: 'Folds of work in flight left out for a slow watcher, which gets the complete list instead',
      registers,
    });
  }
}
