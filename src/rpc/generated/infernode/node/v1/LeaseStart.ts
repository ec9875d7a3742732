// Original file: proto/infernode/node/v1/node.proto


export interface LeaseStart {
  'id'?: (string);
  'cachedTokens'?: (number);
  '_cachedTokens'?: "cachedTokens";
}

export interface LeaseStart__Output {
  'id': (string);
  'cachedTokens'?: (number);
  '_cachedTokens'?: "cachedTokens";
}
