import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { NodeWatchState } from '../domain/cluster-state.js';

/** Why a watch was begun anew; also log field. */
export type ReconnectReason = 'unreachable' | 'ended' | 'gap' | 'silent' | 'refused';

/** What is counted when metrics are read, so that the paths of requests and updates do not pay for it. */
export interface ClusterCensus {
  nodes(): Iterable<{ address: string; watch: NodeWatchState; silentForMs: number | null }>;
  endpoints(): Iterable<{ model: string; state: string }>;
  /** Leases of other coordinators that count here. */
  foreignLeases(): number;
}

export class ClusterMetrics {
  readonly updates: Counter<'kind'>;
  readonly updateSeconds: Histogram;
  readonly reconnects: Counter<'reason'>;
  readonly refused: Counter<'reason'>;
  readonly evictions: Counter;
  readonly suspectedPoison: Counter;
  readonly workReopened: Counter<'reason'>;
  readonly foreignChains: Counter;
  readonly expiredLeases: Counter;
  readonly rpcErrors: Counter<'method' | 'reason'>;
  #census: ClusterCensus = { nodes: () => [], endpoints: () => [], foreignLeases: () => 0 };

  constructor(registry: Registry) {
    const registers = [registry];
    this.updates = new Counter({
      name: 'infernode_cluster_updates_total',
      help: 'Messages of agents by kind',
      labelNames: ['kind'],
      registers,
    });
    this.updateSeconds = new Histogram({
      name: 'infernode_cluster_update_seconds',
      help: 'From the arrival of a message to the end of everything that it causes here',
      buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1],
      registers,
    });
    this.reconnects = new Counter({
      name: 'infernode_cluster_reconnects_total',
      help: 'Watches of agents begun anew, by what ended the one before',
      labelNames: ['reason'],
      registers,
    });
    this.refused = new Counter({
      name: 'infernode_cluster_refused_total',
      help: 'Snapshots not taken, by error code',
      labelNames: ['reason'],
      registers,
    });
    this.evictions = new Counter({
      name: 'infernode_cluster_evictions_total',
      help: 'Endpoints whose work in flight was given up',
      registers,
    });
    this.suspectedPoison = new Counter({
      name: 'infernode_cluster_suspected_poison_total',
      help: 'Requests that agents suspect of ending engines; the log names them',
      registers,
    });
    this.workReopened = new Counter({
      name: 'infernode_cluster_work_reopened_total',
      help: 'Reports of work in flight begun anew with the full list, by reason: behind, or what ended the stream',
      labelNames: ['reason'],
      registers,
    });
    this.foreignChains = new Counter({
      name: 'infernode_cluster_foreign_chains_total',
      help: 'Requests of other coordinators whose block keys were made in another way and are not remembered',
      registers,
    });
    this.expiredLeases = new Counter({
      name: 'infernode_cluster_expired_leases_total',
      help: 'Leases of other gateways that nobody released in time',
      registers,
    });
    this.rpcErrors = new Counter({
      name: 'infernode_cluster_rpc_errors_total',
      help: 'Failed calls of ClusterService and PlacementService by reason code',
      labelNames: ['method', 'reason'],
      registers,
    });
    this.#declareGauges(registers);
  }

  /** Whom to ask when metrics are read. */
  observe(census: ClusterCensus): void {
    this.#census = census;
  }

  #declareGauges(registers: Registry[]): void {
    const census = (): ClusterCensus => this.#census;
    new Gauge({
      name: 'infernode_cluster_nodes',
      help: 'Configured agents by how the coordinator stands with them',
      labelNames: ['state'],
      registers,
      collect() {
        this.reset();
        for (const state of ['connecting', 'watching', 'silent', 'refused']) this.set({ state }, 0);
        for (const { watch } of census().nodes()) this.inc({ state: watch });
      },
    });
    new Gauge({
      name: 'infernode_cluster_endpoints',
      help: 'Endpoints by model and engine state',
      labelNames: ['model', 'state'],
      registers,
      collect() {
        this.reset();
        for (const { model, state } of census().endpoints()) this.inc({ model, state });
      },
    });
    new Gauge({
      name: 'infernode_cluster_foreign_leases',
      help: 'Requests that other coordinators have in flight, as agents tell',
      registers,
      collect() {
        this.set(census().foreignLeases());
      },
    });
    new Gauge({
      name: 'infernode_cluster_update_lag_seconds',
      help: 'Since the agent spoke last; agents speak each second',
      labelNames: ['address'],
      registers,
      collect() {
        this.reset();
        for (const { address, silentForMs } of census().nodes())
          if (silentForMs !== null) this.set({ address }, silentForMs / 1000);
      },
    });
  }
}
