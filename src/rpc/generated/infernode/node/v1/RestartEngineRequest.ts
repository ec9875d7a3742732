// Original file: proto/infernode/node/v1/node.proto


export interface RestartEngineRequest {
  'engineId'?: (string);
  'deadlineMs'?: (number);
  'expectedEpoch'?: (string);
}

export interface RestartEngineRequest__Output {
  'engineId': (string);
  'deadlineMs': (number);
  'expectedEpoch': (string);
}
