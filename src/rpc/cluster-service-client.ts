/** The client of a coordinator's ClusterService, for the CLI: domain types out, a deadline on the call. */
import { status, type ServiceError } from '@grpc/grpc-js';
import type { ClientTlsConfig } from '../config/tls-config.js';
import type { ClusterState } from '../domain/cluster-state.js';
import { InfernodeError } from '../domain/error-codes.js';
import { clusterFromProto } from './cluster-state-proto.js';
import { clientCredentials } from './credentials.js';
import type { ClusterServiceClient as Stub } from './generated/infernode/cluster/v1/ClusterService.js';
import { reasonOf } from './grpc-status.js';
import { clusterProto } from './load-proto.js';

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
  getCluster(): Promise<ClusterState> {
    return new Promise((resolve, reject) => {
      this.#stub.getCluster({}, { deadline: Date.now() + this.#deadlineMs }, (error, cluster) => {
        if (error || !cluster) reject(this.#toError(error));
        else resolve(clusterFromProto(cluster));
      });
    });
  }

  close(): void {
    this.#stub.close();
  }

  #toError(error: ServiceError | null): InfernodeError {
    const refused =
      error?.code === status.UNAUTHENTICATED
        ? 'unauthenticated'
        : error?.code === status.PERMISSION_DENIED
          ? 'permission-denied'
          : 'node-unreachable';
    const details = error?.details || error?.message || 'no answer';
    return new InfernodeError((error && reasonOf(error)) ?? refused, `${this.address}: ${details}`, {
      cause: error,
    });
  }
}
