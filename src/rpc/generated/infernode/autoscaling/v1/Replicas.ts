// Original file: proto/infernode/autoscaling/v1/autoscaling.proto


export interface Replicas {
  'ready'?: (number);
  'warming'?: (number);
  'asleep'?: (number);
  'reporting'?: (number);
}

export interface Replicas__Output {
  'ready': (number);
  'warming': (number);
  'asleep': (number);
  'reporting': (number);
}
