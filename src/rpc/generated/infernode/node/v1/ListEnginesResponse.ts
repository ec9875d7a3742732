// Original file: proto/infernode/node/v1/node.proto

import type { Engine as _infernode_node_v1_Engine, Engine__Output as _infernode_node_v1_Engine__Output } from '../../../infernode/node/v1/Engine.js';

export interface ListEnginesResponse {
  'engines'?: (_infernode_node_v1_Engine)[];
}

export interface ListEnginesResponse__Output {
  'engines': (_infernode_node_v1_Engine__Output)[];
}
