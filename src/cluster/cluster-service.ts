/** `infernode.cluster.v1.ClusterService`: what this coordinator knows. Read only. */
import type { ClusterState } from '../domain/cluster-state.js';
import { clusterToProto } from '../rpc/cluster-state-proto.js';
import type { ClusterServiceHandlers } from '../rpc/generated/infernode/cluster/v1/ClusterService.js';
import { reasonOf, toServiceError } from '../rpc/grpc-status.js';
import type { Logger } from '../runtime/logger.js';
import type { ClusterMetrics } from './cluster-metrics.js';

export interface ClusterServiceOptions {
  describe: () => ClusterState;
  metrics: ClusterMetrics;
  logger: Logger;
}

export function createClusterService(options: ClusterServiceOptions): ClusterServiceHandlers {
  const { describe, metrics, logger } = options;
  return {
    GetCluster: (_call, callback) => {
      try {
        callback(null, clusterToProto(describe()));
      } catch (thrown) {
        const error = toServiceError(thrown);
        metrics.rpcErrors.inc({ method: 'GetCluster', reason: reasonOf(error) ?? 'internal' });
        logger.error({ err: thrown, method: 'GetCluster' }, 'call failed');
        callback(error);
      }
    },
  };
}
