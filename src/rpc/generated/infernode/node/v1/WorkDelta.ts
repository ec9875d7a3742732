// Original file: proto/infernode/node/v1/node.proto

import type { WorkEvent as _infernode_node_v1_WorkEvent, WorkEvent__Output as _infernode_node_v1_WorkEvent__Output } from '../../../infernode/node/v1/WorkEvent.js';

export interface WorkDelta {
  'events'?: (_infernode_node_v1_WorkEvent)[];
}

export interface WorkDelta__Output {
  'events': (_infernode_node_v1_WorkEvent__Output)[];
}
