// Original file: proto/infernode/placement/v1/placement.proto


export interface Candidate {
  'endpoint'?: (string);
  'rank'?: (number);
  'depth'?: (number);
  'uncachedTokens'?: (number | string);
  'holdsOwn'?: (boolean);
  'work'?: (number | string);
  'bound'?: (number | string);
  'admitted'?: (boolean);
  'cost'?: (number | string);
  'sharedView'?: (boolean);
}

export interface Candidate__Output {
  'endpoint': (string);
  'rank': (number);
  'depth': (number);
  'uncachedTokens': (number);
  'holdsOwn': (boolean);
  'work': (number);
  'bound': (number);
  'admitted': (boolean);
  'cost': (number);
  'sharedView': (boolean);
}
