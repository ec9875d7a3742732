// Original file: proto/infernode/node/v1/node.proto

import type { Condition as _infernode_node_v1_Condition, Condition__Output as _infernode_node_v1_Condition__Output } from '../../../infernode/node/v1/Condition.js';
import type { Cordon as _infernode_node_v1_Cordon, Cordon__Output as _infernode_node_v1_Cordon__Output } from '../../../infernode/node/v1/Cordon.js';
import type { DeviceReading as _infernode_node_v1_DeviceReading, DeviceReading__Output as _infernode_node_v1_DeviceReading__Output } from '../../../infernode/node/v1/DeviceReading.js';
import type { MigInstance as _infernode_node_v1_MigInstance, MigInstance__Output as _infernode_node_v1_MigInstance__Output } from '../../../infernode/node/v1/MigInstance.js';

export interface Device {
  'uuid'?: (string);
  'index'?: (number);
  'name'?: (string);
  'serial'?: (string);
  'pciBusId'?: (string);
  'health'?: (string);
  'healthSinceUnixMs'?: (number | string);
  'severity'?: (string);
  'action'?: (string);
  'reason'?: (string);
  'conditions'?: (_infernode_node_v1_Condition)[];
  'cordons'?: (_infernode_node_v1_Cordon)[];
  'reading'?: (_infernode_node_v1_DeviceReading | null);
  'sampleAgeMs'?: (number | string);
  'unsupportedChecks'?: (string)[];
  'instances'?: (_infernode_node_v1_MigInstance)[];
}

export interface Device__Output {
  'uuid': (string);
  'index': (number);
  'name': (string);
  'serial': (string);
  'pciBusId': (string);
  'health': (string);
  'healthSinceUnixMs': (number);
  'severity': (string);
  'action': (string);
  'reason': (string);
  'conditions': (_infernode_node_v1_Condition__Output)[];
  'cordons': (_infernode_node_v1_Cordon__Output)[];
  'reading': (_infernode_node_v1_DeviceReading__Output | null);
  'sampleAgeMs': (number);
  'unsupportedChecks': (string)[];
  'instances': (_infernode_node_v1_MigInstance__Output)[];
}
