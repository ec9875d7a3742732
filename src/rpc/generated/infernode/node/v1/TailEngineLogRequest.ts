// Original file: proto/infernode/node/v1/node.proto


export interface TailEngineLogRequest {
  'engineId'?: (string);
  'incarnation'?: (number);
  'tailBytes'?: (number);
  'follow'?: (boolean);
}

export interface TailEngineLogRequest__Output {
  'engineId': (string);
  'incarnation': (number);
  'tailBytes': (number);
  'follow': (boolean);
}
