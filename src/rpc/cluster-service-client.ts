/** The client of a coordinator's ClusterService, for the CLI: domain types out, a deadline on the call. */
import type { ClusterState } from '../domain/cluster-state.js';
import { clusterFromProto } from './cluster-state-proto.js';
import { clientCredentials } from './credentials.js';
import type { Cluster__Output } from './generated/infernode/cluster/v1/Cluster.js';
import type { ClusterServiceClient as Stub } from './generated/infernode/cluster/v1/ClusterService.js';
import { clusterProto } from './cluster-package.js';
import { coordinatorChannelOptions, unaryCall, type CoordinatorClientOptions } from './unary-call.js';

const channelOptions = {
  ...coordinatorChannelOptions,
  // A cluster of a thousand nodes: some kilobytes per device and engine.
  'grpc.max_receive_message_length': 64 * 1024 * 1024,
};

export class ClusterServiceClient {
  readonly address: string;
  readonly #stub: Stub;
  readonly #deadlineMs: number;

  constructor({ address, tls, deadlineMs = 5_000 }: CoordinatorClientOptions) {
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
