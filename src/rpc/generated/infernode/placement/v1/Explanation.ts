// Original file: proto/infernode/placement/v1/placement.proto

import type { Candidate as _infernode_placement_v1_Candidate, Candidate__Output as _infernode_placement_v1_Candidate__Output } from '../../../infernode/placement/v1/Candidate.js';
import type { Refusal as _infernode_placement_v1_Refusal, Refusal__Output as _infernode_placement_v1_Refusal__Output } from '../../../infernode/placement/v1/Refusal.js';

export interface Explanation {
  'endpoint'?: (string);
  'outcome'?: (string);
  'home'?: (string);
  'reason'?: (string);
  'strategy'?: (string);
  'keyIndex'?: (number);
  'tokens'?: (number);
  'blocks'?: (number);
  'candidates'?: (_infernode_placement_v1_Candidate)[];
  'refused'?: (_infernode_placement_v1_Refusal)[];
  '_keyIndex'?: "keyIndex";
}

export interface Explanation__Output {
  'endpoint': (string);
  'outcome': (string);
  'home': (string);
  'reason': (string);
  'strategy': (string);
  'keyIndex'?: (number);
  'tokens': (number);
  'blocks': (number);
  'candidates': (_infernode_placement_v1_Candidate__Output)[];
  'refused': (_infernode_placement_v1_Refusal__Output)[];
  '_keyIndex'?: "keyIndex";
}
