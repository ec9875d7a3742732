// Original file: proto/infernode/node/v1/node.proto

import type { Cordon as _infernode_node_v1_Cordon, Cordon__Output as _infernode_node_v1_Cordon__Output } from '../../../infernode/node/v1/Cordon.js';
import type { EngineLoad as _infernode_node_v1_EngineLoad, EngineLoad__Output as _infernode_node_v1_EngineLoad__Output } from '../../../infernode/node/v1/EngineLoad.js';
import type { StartProgress as _infernode_node_v1_StartProgress, StartProgress__Output as _infernode_node_v1_StartProgress__Output } from '../../../infernode/node/v1/StartProgress.js';
import type { CudaGraphs as _infernode_node_v1_CudaGraphs, CudaGraphs__Output as _infernode_node_v1_CudaGraphs__Output } from '../../../infernode/node/v1/CudaGraphs.js';
import type { EngineDeath as _infernode_node_v1_EngineDeath, EngineDeath__Output as _infernode_node_v1_EngineDeath__Output } from '../../../infernode/node/v1/EngineDeath.js';

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
  'progress'?: (_infernode_node_v1_StartProgress | null);
  'graphs'?: (_infernode_node_v1_CudaGraphs | null);
  'lastDeath'?: (_infernode_node_v1_EngineDeath | null);
  'crashLoop'?: (boolean);
  'standby'?: (string);
  'pressure'?: (string)[];
  'degraded'?: (string)[];
  'apiKey'?: (string);
  'keyRequired'?: (boolean);
  '_apiKey'?: "apiKey";
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
  'progress': (_infernode_node_v1_StartProgress__Output | null);
  'graphs': (_infernode_node_v1_CudaGraphs__Output | null);
  'lastDeath': (_infernode_node_v1_EngineDeath__Output | null);
  'crashLoop': (boolean);
  'standby': (string);
  'pressure': (string)[];
  'degraded': (string)[];
  'apiKey'?: (string);
  'keyRequired': (boolean);
  '_apiKey'?: "apiKey";
}
