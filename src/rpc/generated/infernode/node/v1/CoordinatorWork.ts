// Original file: proto/infernode/node/v1/node.proto

import type { WorkEvent as _infernode_node_v1_WorkEvent, WorkEvent__Output as _infernode_node_v1_WorkEvent__Output } from '../../../infernode/node/v1/WorkEvent.js';

export interface CoordinatorWork {
  'coordinator'?: (string);
  'chainVersion'?: (string);
  'events'?: (_infernode_node_v1_WorkEvent)[];
  'seedFingerprint'?: (string);
}

export interface CoordinatorWork__Output {
  'coordinator': (string);
  'chainVersion': (string);
  'events': (_infernode_node_v1_WorkEvent__Output)[];
  'seedFingerprint': (string);
}
