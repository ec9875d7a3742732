// Original file: proto/infernode/node/v1/node.proto


export interface WakeEngineRequest {
  'engineId'?: (string);
  'expectedEpoch'?: (string);
}

export interface WakeEngineRequest__Output {
  'engineId': (string);
  'expectedEpoch': (string);
}
