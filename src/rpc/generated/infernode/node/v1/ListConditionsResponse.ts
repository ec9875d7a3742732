// Original file: proto/infernode/node/v1/node.proto

import type { DeviceCondition as _infernode_node_v1_DeviceCondition, DeviceCondition__Output as _infernode_node_v1_DeviceCondition__Output } from '../../../infernode/node/v1/DeviceCondition.js';

export interface ListConditionsResponse {
  'conditions'?: (_infernode_node_v1_DeviceCondition)[];
  'unsupportedNodeChecks'?: (string)[];
}

export interface ListConditionsResponse__Output {
  'conditions': (_infernode_node_v1_DeviceCondition__Output)[];
  'unsupportedNodeChecks': (string)[];
}
