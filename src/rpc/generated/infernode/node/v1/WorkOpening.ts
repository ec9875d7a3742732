// Original file: proto/infernode/node/v1/node.proto

import type { WorkLease as _infernode_node_v1_WorkLease, WorkLease__Output as _infernode_node_v1_WorkLease__Output } from '../../../infernode/node/v1/WorkLease.js';

export interface WorkOpening {
  'coordinator'?: (string);
  'chainVersion'?: (string);
  'leases'?: (_infernode_node_v1_WorkLease)[];
  'seedFingerprint'?: (string);
}

export interface WorkOpening__Output {
  'coordinator': (string);
  'chainVersion': (string);
  'leases': (_infernode_node_v1_WorkLease__Output)[];
  'seedFingerprint': (string);
}
