// Original file: proto/infernode/node/v1/node.proto

import type { HistoryEntry as _infernode_node_v1_HistoryEntry, HistoryEntry__Output as _infernode_node_v1_HistoryEntry__Output } from '../../../infernode/node/v1/HistoryEntry.js';

export interface Incident {
  'id'?: (string);
  'device'?: (string);
  'check'?: (string);
  'xid'?: (number);
  'severity'?: (string);
  'action'?: (string);
  'reason'?: (string);
  'startedUnixMs'?: (number | string);
  'lastUnixMs'?: (number | string);
  'drill'?: (boolean);
  'entries'?: (_infernode_node_v1_HistoryEntry)[];
}

export interface Incident__Output {
  'id': (string);
  'device': (string);
  'check': (string);
  'xid': (number);
  'severity': (string);
  'action': (string);
  'reason': (string);
  'startedUnixMs': (number);
  'lastUnixMs': (number);
  'drill': (boolean);
  'entries': (_infernode_node_v1_HistoryEntry__Output)[];
}
