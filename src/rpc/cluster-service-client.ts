/** The client of a coordinator's ClusterService, for the CLI: domain types out, a deadline on the call. */
import type { ClientTlsConfig } from '../config/tls-config.js';
import type { ClusterState } from '../domain/cluster-state.js';
import { clusterFromProto } from './cluster-state-proto.js';
import { clientCredentials } from './credentials.js';
import type { Cluster__Output } from './generated/infernode/cluster/v1/Cluster.js';
import type { ClusterServiceClient as Stub } from './generated/infernode/cluster/v1/ClusterService.js';
import { clusterProto } from './load-proto.js';
import { unaryCall } from './unary-call.js';

export interface ClusterServiceClientOptions {
  /** `HOST:PORT` of the coordinator's control listener. */
  address: string;
  tls?: ClientTlsConfig;
  /** Limit of one call, ms. */
  deadlineMs?: number;
}

const channelOptions = {
  'grpc.enable_http_proxy': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // A cluster of a thousand nodes: some kilobytes per device and engine.
  'grpc.max_receive_message_length': 64 * 1024 * 1024,
};

export class ClusterServiceClient {
  readonly address: string;
  readonly #stub: Stub;
  readonly #deadlineMs: number;

  constructor({ address, tls, deadlineMs = 5_000 }: ClusterServiceClientOptions) {
    const { credentials, options } = clientCredentials(tls);
    this.address = address;
    this.#deadlineMs = deadlineMs;
    this.#stub = new clusterProto.ClusterService(address, credentials, { ...channelOptions, ...options });
  }

  /** Throws `node-unreachable` when the coordinator does not answer. */
  async getCluster(): Promise<ClusterState> {
    return clusterFromProto(
      await unaryCall<Cluster__Output>(this.address, this.#deadlineMs, (options, done) =>
        this.#stub.getCluster({}, options, done),
      ),
    );
  }

  close(): void {
    this.#stub.close();
  }
}
