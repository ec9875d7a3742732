// Original file: proto/infernode/node/v1/node.proto

import type { WorkOpening as _infernode_node_v1_WorkOpening, WorkOpening__Output as _infernode_node_v1_WorkOpening__Output } from '../../../infernode/node/v1/WorkOpening.js';
import type { WorkDelta as _infernode_node_v1_WorkDelta, WorkDelta__Output as _infernode_node_v1_WorkDelta__Output } from '../../../infernode/node/v1/WorkDelta.js';

export interface WorkReport {
  'sequence'?: (number);
  'opening'?: (_infernode_node_v1_WorkOpening | null);
  'delta'?: (_infernode_node_v1_WorkDelta | null);
  'report'?: "opening"|"delta";
}

export interface WorkReport__Output {
  'sequence': (number);
  'opening'?: (_infernode_node_v1_WorkOpening__Output | null);
  'delta'?: (_infernode_node_v1_WorkDelta__Output | null);
  'report'?: "opening"|"delta";
}
