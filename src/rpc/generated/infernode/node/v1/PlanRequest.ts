// Original file: proto/infernode/node/v1/node.proto


export interface PlanRequest {
  'model'?: (string);
  'sequences'?: (number);
  'contextTokens'?: (number);
  'weightBits'?: (number);
  'kvCacheDtype'?: (string);
  'engineId'?: (string);
}

export interface PlanRequest__Output {
  'model': (string);
  'sequences': (number);
  'contextTokens': (number);
  'weightBits': (number);
  'kvCacheDtype': (string);
  'engineId': (string);
}
