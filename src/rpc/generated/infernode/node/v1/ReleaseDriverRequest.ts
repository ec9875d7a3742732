// Original file: proto/infernode/node/v1/node.proto


export interface ReleaseDriverRequest {
  'drainDeadlineMs'?: (number);
  'expectedEpoch'?: (string);
}

export interface ReleaseDriverRequest__Output {
  'drainDeadlineMs': (number);
  'expectedEpoch': (string);
}
