// Original file: proto/infernode/node/v1/node.proto

import type { Driver as _infernode_node_v1_Driver, Driver__Output as _infernode_node_v1_Driver__Output } from '../../../infernode/node/v1/Driver.js';
import type { CordonSet as _infernode_node_v1_CordonSet, CordonSet__Output as _infernode_node_v1_CordonSet__Output } from '../../../infernode/node/v1/CordonSet.js';
import type { Device as _infernode_node_v1_Device, Device__Output as _infernode_node_v1_Device__Output } from '../../../infernode/node/v1/Device.js';
import type { Engine as _infernode_node_v1_Engine, Engine__Output as _infernode_node_v1_Engine__Output } from '../../../infernode/node/v1/Engine.js';
import type { ConditionSet as _infernode_node_v1_ConditionSet, ConditionSet__Output as _infernode_node_v1_ConditionSet__Output } from '../../../infernode/node/v1/ConditionSet.js';
import type { CheckSet as _infernode_node_v1_CheckSet, CheckSet__Output as _infernode_node_v1_CheckSet__Output } from '../../../infernode/node/v1/CheckSet.js';

export interface NodeDelta {
  'epoch'?: (string);
  'revision'?: (string);
  'driver'?: (_infernode_node_v1_Driver | null);
  'cordons'?: (_infernode_node_v1_CordonSet | null);
  'devices'?: (_infernode_node_v1_Device)[];
  'removedDevices'?: (string)[];
  'engines'?: (_infernode_node_v1_Engine)[];
  'removedEngines'?: (string)[];
  'baseRevision'?: (string);
  'conditions'?: (_infernode_node_v1_ConditionSet | null);
  'unsupportedChecks'?: (_infernode_node_v1_CheckSet | null);
}

export interface NodeDelta__Output {
  'epoch': (string);
  'revision': (string);
  'driver': (_infernode_node_v1_Driver__Output | null);
  'cordons': (_infernode_node_v1_CordonSet__Output | null);
  'devices': (_infernode_node_v1_Device__Output)[];
  'removedDevices': (string)[];
  'engines': (_infernode_node_v1_Engine__Output)[];
  'removedEngines': (string)[];
  'baseRevision': (string);
  'conditions': (_infernode_node_v1_ConditionSet__Output | null);
  'unsupportedChecks': (_infernode_node_v1_CheckSet__Output | null);
}
