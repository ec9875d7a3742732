// Original file: proto/infernode/node/v1/node.proto


export interface StartEngineRequest {
  'engineId'?: (string);
  'template'?: (string);
  'devices'?: (string)[];
  'expectedEpoch'?: (string);
}

export interface StartEngineRequest__Output {
  'engineId': (string);
  'template': (string);
  'devices': (string)[];
  'expectedEpoch': (string);
}
