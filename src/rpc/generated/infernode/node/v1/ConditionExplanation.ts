// Original file: proto/infernode/node/v1/node.proto

import type { Condition as _infernode_node_v1_Condition, Condition__Output as _infernode_node_v1_Condition__Output } from '../../../infernode/node/v1/Condition.js';

export interface ConditionExplanation {
  'condition'?: (_infernode_node_v1_Condition | null);
  'title'?: (string);
  'basis'?: (string);
  'evidence'?: (string)[];
  'clearsWhen'?: (string);
  'incident'?: (string);
}

export interface ConditionExplanation__Output {
  'condition': (_infernode_node_v1_Condition__Output | null);
  'title': (string);
  'basis': (string);
  'evidence': (string)[];
  'clearsWhen': (string);
  'incident': (string);
}
