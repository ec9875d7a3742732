// Original file: proto/infernode/autoscaling/v1/autoscaling.proto


export interface Proposal {
  'signal'?: (string);
  'desired'?: (number);
  'reason'?: (string);
}

export interface Proposal__Output {
  'signal': (string);
  'desired': (number);
  'reason': (string);
}
