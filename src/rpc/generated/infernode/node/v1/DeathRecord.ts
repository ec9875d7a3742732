// Original file: proto/infernode/node/v1/node.proto

import type { EngineDeath as _infernode_node_v1_EngineDeath, EngineDeath__Output as _infernode_node_v1_EngineDeath__Output } from '../../../infernode/node/v1/EngineDeath.js';
import type { StopStep as _infernode_node_v1_StopStep, StopStep__Output as _infernode_node_v1_StopStep__Output } from '../../../infernode/node/v1/StopStep.js';

export interface DeathRecord {
  'death'?: (_infernode_node_v1_EngineDeath | null);
  'exitCode'?: (number);
  'exitSignal'?: (string);
  'readyForMs'?: (number | string);
  'stopOutcome'?: (string);
  'stopTookMs'?: (number | string);
  'stopSteps'?: (_infernode_node_v1_StopStep)[];
  '_exitCode'?: "exitCode";
  '_readyForMs'?: "readyForMs";
}

export interface DeathRecord__Output {
  'death': (_infernode_node_v1_EngineDeath__Output | null);
  'exitCode'?: (number);
  'exitSignal': (string);
  'readyForMs'?: (number);
  'stopOutcome': (string);
  'stopTookMs': (number);
  'stopSteps': (_infernode_node_v1_StopStep__Output)[];
  '_exitCode'?: "exitCode";
  '_readyForMs'?: "readyForMs";
}
