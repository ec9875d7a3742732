// Original file: proto/infernode/node/v1/node.proto


export interface EngineDeath {
  'incarnation'?: (string);
  'cause'?: (string);
  'reason'?: (string);
  'atUnixMs'?: (number | string);
  'lostWork'?: (string)[];
  'suspectedPoison'?: (string)[];
}

export interface EngineDeath__Output {
  'incarnation': (string);
  'cause': (string);
  'reason': (string);
  'atUnixMs': (number);
  'lostWork': (string)[];
  'suspectedPoison': (string)[];
}
