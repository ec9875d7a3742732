// Original file: proto/infernode/node/v1/node.proto


export interface HistoryEntry {
  'seq'?: (string);
  'atUnixMs'?: (number | string);
  'kind'?: (string);
  'source'?: (string);
  'device'?: (string);
  'engine'?: (string);
  'check'?: (string);
  'xid'?: (number);
  'severity'?: (string);
  'action'?: (string);
  'reason'?: (string);
  'evidence'?: (string);
  'basis'?: (string);
  'incident'?: (string);
  'drill'?: (boolean);
}

export interface HistoryEntry__Output {
  'seq': (string);
  'atUnixMs': (number);
  'kind': (string);
  'source': (string);
  'device': (string);
  'engine': (string);
  'check': (string);
  'xid': (number);
  'severity': (string);
  'action': (string);
  'reason': (string);
  'evidence': (string);
  'basis': (string);
  'incident': (string);
  'drill': (boolean);
}
