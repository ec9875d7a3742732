// Original file: proto/infernode/node/v1/node.proto


export interface MigInstance {
  'uuid'?: (string);
  'gpuInstance'?: (number);
  'computeInstance'?: (number);
  'health'?: (string);
  'reason'?: (string);
}

export interface MigInstance__Output {
  'uuid': (string);
  'gpuInstance': (number);
  'computeInstance': (number);
  'health': (string);
  'reason': (string);
}
