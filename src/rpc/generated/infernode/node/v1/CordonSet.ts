// Original file: proto/infernode/node/v1/node.proto

import type { Cordon as _infernode_node_v1_Cordon, Cordon__Output as _infernode_node_v1_Cordon__Output } from '../../../infernode/node/v1/Cordon.js';

export interface CordonSet {
  'cordons'?: (_infernode_node_v1_Cordon)[];
}

export interface CordonSet__Output {
  'cordons': (_infernode_node_v1_Cordon__Output)[];
}
