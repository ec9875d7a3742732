// Original file: proto/infernode/autoscaling/v1/autoscaling.proto


export interface ListScalingRequest {
}

export interface ListScalingRequest__Output {
}
