// Original file: proto/infernode/node/v1/node.proto


export interface WorkAck {
  'sequence'?: (number);
}

export interface WorkAck__Output {
  'sequence': (number);
}
