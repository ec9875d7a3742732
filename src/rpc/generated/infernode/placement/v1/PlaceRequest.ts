// Original file: proto/infernode/placement/v1/placement.proto

import type { PromptChain as _infernode_placement_v1_PromptChain, PromptChain__Output as _infernode_placement_v1_PromptChain__Output } from '../../../infernode/placement/v1/PromptChain.js';

export interface PlaceRequest {
  'model'?: (string);
  'chain'?: (_infernode_placement_v1_PromptChain | null);
  'requestJson'?: (string);
  'path'?: (string);
  'session'?: (string);
  'exclude'?: (string)[];
  'leaseMs'?: (number);
  'requestId'?: (string);
  'prompt'?: "chain"|"requestJson";
}

export interface PlaceRequest__Output {
  'model': (string);
  'chain'?: (_infernode_placement_v1_PromptChain__Output | null);
  'requestJson'?: (string);
  'path': (string);
  'session': (string);
  'exclude': (string)[];
  'leaseMs': (number);
  'requestId': (string);
  'prompt'?: "chain"|"requestJson";
}
