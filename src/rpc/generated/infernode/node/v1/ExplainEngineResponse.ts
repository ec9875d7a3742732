// Original file: proto/infernode/node/v1/node.proto

import type { DeathRecord as _infernode_node_v1_DeathRecord, DeathRecord__Output as _infernode_node_v1_DeathRecord__Output } from '../../../infernode/node/v1/DeathRecord.js';

export interface ExplainEngineResponse {
  'deaths'?: (_infernode_node_v1_DeathRecord)[];
}

export interface ExplainEngineResponse__Output {
  'deaths': (_infernode_node_v1_DeathRecord__Output)[];
}
