// Original file: proto/infernode/node/v1/node.proto


export interface ExplainEngineRequest {
  'engineId'?: (string);
  'limit'?: (number);
}

export interface ExplainEngineRequest__Output {
  'engineId': (string);
  'limit': (number);
}
