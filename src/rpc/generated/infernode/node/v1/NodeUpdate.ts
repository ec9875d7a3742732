// Original file: proto/infernode/node/v1/node.proto

import type { Node as _infernode_node_v1_Node, Node__Output as _infernode_node_v1_Node__Output } from '../../../infernode/node/v1/Node.js';
import type { NodeDelta as _infernode_node_v1_NodeDelta, NodeDelta__Output as _infernode_node_v1_NodeDelta__Output } from '../../../infernode/node/v1/NodeDelta.js';
import type { Heartbeat as _infernode_node_v1_Heartbeat, Heartbeat__Output as _infernode_node_v1_Heartbeat__Output } from '../../../infernode/node/v1/Heartbeat.js';
import type { WorkUpdate as _infernode_node_v1_WorkUpdate, WorkUpdate__Output as _infernode_node_v1_WorkUpdate__Output } from '../../../infernode/node/v1/WorkUpdate.js';

export interface NodeUpdate {
  'snapshot'?: (_infernode_node_v1_Node | null);
  'delta'?: (_infernode_node_v1_NodeDelta | null);
  'heartbeat'?: (_infernode_node_v1_Heartbeat | null);
  'work'?: (_infernode_node_v1_WorkUpdate | null);
  'update'?: "snapshot"|"delta"|"heartbeat"|"work";
}

export interface NodeUpdate__Output {
  'snapshot'?: (_infernode_node_v1_Node__Output | null);
  'delta'?: (_infernode_node_v1_NodeDelta__Output | null);
  'heartbeat'?: (_infernode_node_v1_Heartbeat__Output | null);
  'work'?: (_infernode_node_v1_WorkUpdate__Output | null);
  'update'?: "snapshot"|"delta"|"heartbeat"|"work";
}
