// Original file: proto/infernode/placement/v1/placement.proto


export interface LeaseAnswer {
  'found'?: (boolean);
}

export interface LeaseAnswer__Output {
  'found': (boolean);
}
