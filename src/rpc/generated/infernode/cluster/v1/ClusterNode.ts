// Original file: proto/infernode/cluster/v1/cluster.proto

import type { Node as _infernode_node_v1_Node, Node__Output as _infernode_node_v1_Node__Output } from '../../../infernode/node/v1/Node.js';

export interface ClusterNode {
  'address'?: (string);
  'watch'?: (string);
  'reason'?: (string);
  'silentForMs'?: (number | string);
  'node'?: (_infernode_node_v1_Node | null);
  '_silentForMs'?: "silentForMs";
}

export interface ClusterNode__Output {
  'address': (string);
  'watch': (string);
  'reason': (string);
  'silentForMs'?: (number);
  'node': (_infernode_node_v1_Node__Output | null);
  '_silentForMs'?: "silentForMs";
}
