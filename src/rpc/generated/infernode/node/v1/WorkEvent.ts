// Original file: proto/infernode/node/v1/node.proto

import type { WorkLease as _infernode_node_v1_WorkLease, WorkLease__Output as _infernode_node_v1_WorkLease__Output } from '../../../infernode/node/v1/WorkLease.js';
import type { LeaseStart as _infernode_node_v1_LeaseStart, LeaseStart__Output as _infernode_node_v1_LeaseStart__Output } from '../../../infernode/node/v1/LeaseStart.js';

export interface WorkEvent {
  'placed'?: (_infernode_node_v1_WorkLease | null);
  'firstToken'?: (_infernode_node_v1_LeaseStart | null);
  'done'?: (string);
  'ageMs'?: (number | string);
  'event'?: "placed"|"firstToken"|"done";
}

export interface WorkEvent__Output {
  'placed'?: (_infernode_node_v1_WorkLease__Output | null);
  'firstToken'?: (_infernode_node_v1_LeaseStart__Output | null);
  'done'?: (string);
  'ageMs': (number);
  'event'?: "placed"|"firstToken"|"done";
}
