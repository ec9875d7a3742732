// Original file: proto/infernode/node/v1/node.proto

import type { Condition as _infernode_node_v1_Condition, Condition__Output as _infernode_node_v1_Condition__Output } from '../../../infernode/node/v1/Condition.js';

export interface ConditionSet {
  'conditions'?: (_infernode_node_v1_Condition)[];
}

export interface ConditionSet__Output {
  'conditions': (_infernode_node_v1_Condition__Output)[];
}
