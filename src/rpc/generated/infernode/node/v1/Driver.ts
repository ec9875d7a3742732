// Original file: proto/infernode/node/v1/node.proto


export interface Driver {
  'state'?: (string);
  'driverVersion'?: (string);
  'nvmlVersion'?: (string);
  'reason'?: (string);
}

export interface Driver__Output {
  'state': (string);
  'driverVersion': (string);
  'nvmlVersion': (string);
  'reason': (string);
}
