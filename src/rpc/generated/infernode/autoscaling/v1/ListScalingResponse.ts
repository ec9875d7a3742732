// Original file: proto/infernode/autoscaling/v1/autoscaling.proto

import type { ModelScaling as _infernode_autoscaling_v1_ModelScaling, ModelScaling__Output as _infernode_autoscaling_v1_ModelScaling__Output } from '../../../infernode/autoscaling/v1/ModelScaling.js';

export interface ListScalingResponse {
  'models'?: (_infernode_autoscaling_v1_ModelScaling)[];
}

export interface ListScalingResponse__Output {
  'models': (_infernode_autoscaling_v1_ModelScaling__Output)[];
}
