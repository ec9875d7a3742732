// Original file: proto/infernode/node/v1/node.proto


export interface AcquireDriverRequest {
  'expectedEpoch'?: (string);
}

export interface AcquireDriverRequest__Output {
  'expectedEpoch': (string);
}
