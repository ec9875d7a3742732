// Original file: proto/infernode/node/v1/node.proto


export interface DrainEngineRequest {
  'engineId'?: (string);
  'deadlineMs'?: (number);
  'expectedEpoch'?: (string);
}

export interface DrainEngineRequest__Output {
  'engineId': (string);
  'deadlineMs': (number);
  'expectedEpoch': (string);
}
