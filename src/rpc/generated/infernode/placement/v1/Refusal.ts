// Original file: proto/infernode/placement/v1/placement.proto


export interface Refusal {
  'endpoint'?: (string);
  'refusal'?: (string);
  'reason'?: (string);
}

export interface Refusal__Output {
  'endpoint': (string);
  'refusal': (string);
  'reason': (string);
}
