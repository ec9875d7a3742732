// Original file: proto/infernode/placement/v1/placement.proto


export interface FirstTokenRequest {
  'leaseId'?: (string);
  'cachedTokens'?: (number);
  '_cachedTokens'?: "cachedTokens";
}

export interface FirstTokenRequest__Output {
  'leaseId': (string);
  'cachedTokens'?: (number);
  '_cachedTokens'?: "cachedTokens";
}
