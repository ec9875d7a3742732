// Original file: proto/infernode/cluster/v1/cluster.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { Cluster as _infernode_cluster_v1_Cluster, Cluster__Output as _infernode_cluster_v1_Cluster__Output } from '../../../infernode/cluster/v1/Cluster.js';
import type { GetClusterRequest as _infernode_cluster_v1_GetClusterRequest, GetClusterRequest__Output as _infernode_cluster_v1_GetClusterRequest__Output } from '../../../infernode/cluster/v1/GetClusterRequest.js';

export interface ClusterServiceClient extends grpc.Client {
  GetCluster(argument: _infernode_cluster_v1_GetClusterRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_cluster_v1_Cluster__Output>): grpc.ClientUnaryCall;
  GetCluster(argument: _infernode_cluster_v1_GetClusterRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_cluster_v1_Cluster__Output>): grpc.ClientUnaryCall;
  GetCluster(argument: _infernode_cluster_v1_GetClusterRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_cluster_v1_Cluster__Output>): grpc.ClientUnaryCall;
  GetCluster(argument: _infernode_cluster_v1_GetClusterRequest, callback: grpc.requestCallback<_infernode_cluster_v1_Cluster__Output>): grpc.ClientUnaryCall;
  getCluster(argument: _infernode_cluster_v1_GetClusterRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_cluster_v1_Cluster__Output>): grpc.ClientUnaryCall;
  getCluster(argument: _infernode_cluster_v1_GetClusterRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_cluster_v1_Cluster__Output>): grpc.ClientUnaryCall;
  getCluster(argument: _infernode_cluster_v1_GetClusterRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_cluster_v1_Cluster__Output>): grpc.ClientUnaryCall;
  getCluster(argument: _infernode_cluster_v1_GetClusterRequest, callback: grpc.requestCallback<_infernode_cluster_v1_Cluster__Output>): grpc.ClientUnaryCall;
  
}

export interface ClusterServiceHandlers extends grpc.UntypedServiceImplementation {
  GetCluster: grpc.handleUnaryCall<_infernode_cluster_v1_GetClusterRequest__Output, _infernode_cluster_v1_Cluster>;
  
}

export interface ClusterServiceDefinition extends grpc.ServiceDefinition {
  GetCluster: MethodDefinition<_infernode_cluster_v1_GetClusterRequest, _infernode_cluster_v1_Cluster, _infernode_cluster_v1_GetClusterRequest__Output, _infernode_cluster_v1_Cluster__Output>
}
