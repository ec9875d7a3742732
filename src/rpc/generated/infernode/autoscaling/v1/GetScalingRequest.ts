// Original file: proto/infernode/autoscaling/v1/autoscaling.proto


export interface GetScalingRequest {
  'model'?: (string);
}

export interface GetScalingRequest__Output {
  'model': (string);
}
