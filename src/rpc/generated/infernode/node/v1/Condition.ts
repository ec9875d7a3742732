// Original file: proto/infernode/node/v1/node.proto


export interface Condition {
  'check'?: (string);
  'severity'?: (string);
  'action'?: (string);
  'advice'?: (string);
  'reason'?: (string);
  'sinceUnixMs'?: (number | string);
  'drill'?: (boolean);
  'part'?: (string);
}

export interface Condition__Output {
  'check': (string);
  'severity': (string);
  'action': (string);
  'advice': (string);
  'reason': (string);
  'sinceUnixMs': (number);
  'drill': (boolean);
  'part': (string);
}
