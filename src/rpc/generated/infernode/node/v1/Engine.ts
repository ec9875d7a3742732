// Original file: proto/infernode/node/v1/node.proto

import type { Cordon as _infernode_node_v1_Cordon, Cordon__Output as _infernode_node_v1_Cordon__Output } from '../../../infernode/node/v1/Cordon.js';
import type { EngineLoad as _infernode_node_v1_EngineLoad, EngineLoad__Output as _infernode_node_v1_EngineLoad__Output } from '../../../infernode/node/v1/EngineLoad.js';

export interface Engine {
  'id'?: (string);
  'origin'?: (string);
  'template'?: (string);
  'state'?: (string);
  'reason'?: (string);
  'stateSinceUnixMs'?: (number | string);
  'servedModels'?: (string)[];
  'url'?: (string);
  'deviceUuids'?: (string)[];
  'incarnation'?: (string);
  'pid'?: (number);
  'cordons'?: (_infernode_node_v1_Cordon)[];
  'evicting'?: (boolean);
  'restarts'?: (number);
  'load'?: (_infernode_node_v1_EngineLoad | null);
  'maxConcurrentRequests'?: (number);
}

export interface Engine__Output {
  'id': (string);
  'origin': (string);
  'template': (string);
  'state': (string);
  'reason': (string);
  'stateSinceUnixMs': (number);
  'servedModels': (string)[];
  'url': (string);
  'deviceUuids': (string)[];
  'incarnation': (string);
  'pid': (number);
  'cordons': (_infernode_node_v1_Cordon__Output)[];
  'evicting': (boolean);
  'restarts': (number);
  'load': (_infernode_node_v1_EngineLoad__Output | null);
  'maxConcurrentRequests': (number);
}
