// Original file: proto/infernode/node/v1/node.proto

import type { CoordinatorWork as _infernode_node_v1_CoordinatorWork, CoordinatorWork__Output as _infernode_node_v1_CoordinatorWork__Output } from '../../../infernode/node/v1/CoordinatorWork.js';

export interface WorkUpdate {
  'complete'?: (boolean);
  'work'?: (_infernode_node_v1_CoordinatorWork)[];
}

export interface WorkUpdate__Output {
  'complete': (boolean);
  'work': (_infernode_node_v1_CoordinatorWork__Output)[];
}
