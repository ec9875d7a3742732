// Original file: proto/infernode/node/v1/node.proto


export interface StopEngineRequest {
  'engineId'?: (string);
  'expectedEpoch'?: (string);
}

export interface StopEngineRequest__Output {
  'engineId': (string);
  'expectedEpoch': (string);
}
