// Original file: proto/infernode/cluster/v1/cluster.proto

import type { ClusterNode as _infernode_cluster_v1_ClusterNode, ClusterNode__Output as _infernode_cluster_v1_ClusterNode__Output } from '../../../infernode/cluster/v1/ClusterNode.js';
import type { Endpoint as _infernode_cluster_v1_Endpoint, Endpoint__Output as _infernode_cluster_v1_Endpoint__Output } from '../../../infernode/cluster/v1/Endpoint.js';
import type { Model as _infernode_cluster_v1_Model, Model__Output as _infernode_cluster_v1_Model__Output } from '../../../infernode/cluster/v1/Model.js';

export interface Cluster {
  'coordinatorVersion'?: (string);
  'nodes'?: (_infernode_cluster_v1_ClusterNode)[];
  'endpoints'?: (_infernode_cluster_v1_Endpoint)[];
  'models'?: (_infernode_cluster_v1_Model)[];
  'foreignChains'?: (string)[];
}

export interface Cluster__Output {
  'coordinatorVersion': (string);
  'nodes': (_infernode_cluster_v1_ClusterNode__Output)[];
  'endpoints': (_infernode_cluster_v1_Endpoint__Output)[];
  'models': (_infernode_cluster_v1_Model__Output)[];
  'foreignChains': (string)[];
}
