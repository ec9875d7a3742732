// Original file: proto/infernode/placement/v1/placement.proto


export interface Placement {
  'leaseId'?: (string);
  'endpoint'?: (string);
  'url'?: (string);
  'model'?: (string);
  'outcome'?: (string);
  'home'?: (string);
  'reason'?: (string);
  'sharedView'?: (boolean);
}

export interface Placement__Output {
  'leaseId': (string);
  'endpoint': (string);
  'url': (string);
  'model': (string);
  'outcome': (string);
  'home': (string);
  'reason': (string);
  'sharedView': (boolean);
}
