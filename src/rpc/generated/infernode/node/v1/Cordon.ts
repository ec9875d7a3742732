// Original file: proto/infernode/node/v1/node.proto


export interface Cordon {
  'holder'?: (string);
  'reason'?: (string);
  'sinceUnixMs'?: (number | string);
}

export interface Cordon__Output {
  'holder': (string);
  'reason': (string);
  'sinceUnixMs': (number);
}
