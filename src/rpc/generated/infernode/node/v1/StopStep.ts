// Original file: proto/infernode/node/v1/node.proto


export interface StopStep {
  'step'?: (string);
  'proven'?: (boolean);
  'detail'?: (string);
  'tookMs'?: (number | string);
}

export interface StopStep__Output {
  'step': (string);
  'proven': (boolean);
  'detail': (string);
  'tookMs': (number);
}
