// Original file: proto/infernode/node/v1/node.proto

import type { Condition as _infernode_node_v1_Condition, Condition__Output as _infernode_node_v1_Condition__Output } from '../../../infernode/node/v1/Condition.js';

export interface DeviceCondition {
  'device'?: (string);
  'index'?: (number);
  'condition'?: (_infernode_node_v1_Condition | null);
}

export interface DeviceCondition__Output {
  'device': (string);
  'index': (number);
  'condition': (_infernode_node_v1_Condition__Output | null);
}
