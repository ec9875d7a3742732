// Original file: proto/infernode/node/v1/node.proto


export interface SleepEngineRequest {
  'engineId'?: (string);
  'level'?: (number);
  'expectedEpoch'?: (string);
}

export interface SleepEngineRequest__Output {
  'engineId': (string);
  'level': (number);
  'expectedEpoch': (string);
}
