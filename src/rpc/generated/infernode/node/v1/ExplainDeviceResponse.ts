// Original file: proto/infernode/node/v1/node.proto

import type { Device as _infernode_node_v1_Device, Device__Output as _infernode_node_v1_Device__Output } from '../../../infernode/node/v1/Device.js';
import type { ConditionExplanation as _infernode_node_v1_ConditionExplanation, ConditionExplanation__Output as _infernode_node_v1_ConditionExplanation__Output } from '../../../infernode/node/v1/ConditionExplanation.js';
import type { HistoryEntry as _infernode_node_v1_HistoryEntry, HistoryEntry__Output as _infernode_node_v1_HistoryEntry__Output } from '../../../infernode/node/v1/HistoryEntry.js';
import type { Engine as _infernode_node_v1_Engine, Engine__Output as _infernode_node_v1_Engine__Output } from '../../../infernode/node/v1/Engine.js';

export interface ExplainDeviceResponse {
  'device'?: (_infernode_node_v1_Device | null);
  'conditions'?: (_infernode_node_v1_ConditionExplanation)[];
  'history'?: (_infernode_node_v1_HistoryEntry)[];
  'engines'?: (_infernode_node_v1_Engine)[];
  'plan'?: (string);
  'pods'?: (string)[];
}

export interface ExplainDeviceResponse__Output {
  'device': (_infernode_node_v1_Device__Output | null);
  'conditions': (_infernode_node_v1_ConditionExplanation__Output)[];
  'history': (_infernode_node_v1_HistoryEntry__Output)[];
  'engines': (_infernode_node_v1_Engine__Output)[];
  'plan': (string);
  'pods': (string)[];
}
