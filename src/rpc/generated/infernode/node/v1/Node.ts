// Original file: proto/infernode/node/v1/node.proto

import type { Driver as _infernode_node_v1_Driver, Driver__Output as _infernode_node_v1_Driver__Output } from '../../../infernode/node/v1/Driver.js';
import type { Cordon as _infernode_node_v1_Cordon, Cordon__Output as _infernode_node_v1_Cordon__Output } from '../../../infernode/node/v1/Cordon.js';
import type { Device as _infernode_node_v1_Device, Device__Output as _infernode_node_v1_Device__Output } from '../../../infernode/node/v1/Device.js';
import type { Engine as _infernode_node_v1_Engine, Engine__Output as _infernode_node_v1_Engine__Output } from '../../../infernode/node/v1/Engine.js';
import type { Condition as _infernode_node_v1_Condition, Condition__Output as _infernode_node_v1_Condition__Output } from '../../../infernode/node/v1/Condition.js';

export interface Node {
  'name'?: (string);
  'machineId'?: (string);
  'epoch'?: (string);
  'revision'?: (string);
  'driver'?: (_infernode_node_v1_Driver | null);
  'cordons'?: (_infernode_node_v1_Cordon)[];
  'devices'?: (_infernode_node_v1_Device)[];
  'engines'?: (_infernode_node_v1_Engine)[];
  'agentVersion'?: (string);
  'conditions'?: (_infernode_node_v1_Condition)[];
  'unsupportedChecks'?: (string)[];
}

export interface Node__Output {
  'name': (string);
  'machineId': (string);
  'epoch': (string);
  'revision': (string);
  'driver': (_infernode_node_v1_Driver__Output | null);
  'cordons': (_infernode_node_v1_Cordon__Output)[];
  'devices': (_infernode_node_v1_Device__Output)[];
  'engines': (_infernode_node_v1_Engine__Output)[];
  'agentVersion': (string);
  'conditions': (_infernode_node_v1_Condition__Output)[];
  'unsupportedChecks': (string)[];
}
