import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { AutoscalingServiceClient as _infernode_autoscaling_v1_AutoscalingServiceClient, AutoscalingServiceDefinition as _infernode_autoscaling_v1_AutoscalingServiceDefinition } from './infernode/autoscaling/v1/AutoscalingService.js';
import type { GetScalingRequest as _infernode_autoscaling_v1_GetScalingRequest, GetScalingRequest__Output as _infernode_autoscaling_v1_GetScalingRequest__Output } from './infernode/autoscaling/v1/GetScalingRequest.js';
import type { ListScalingRequest as _infernode_autoscaling_v1_ListScalingRequest, ListScalingRequest__Output as _infernode_autoscaling_v1_ListScalingRequest__Output } from './infernode/autoscaling/v1/ListScalingRequest.js';
import type { ListScalingResponse as _infernode_autoscaling_v1_ListScalingResponse, ListScalingResponse__Output as _infernode_autoscaling_v1_ListScalingResponse__Output } from './infernode/autoscaling/v1/ListScalingResponse.js';
import type { ModelScaling as _infernode_autoscaling_v1_ModelScaling, ModelScaling__Output as _infernode_autoscaling_v1_ModelScaling__Output } from './infernode/autoscaling/v1/ModelScaling.js';
import type { Proposal as _infernode_autoscaling_v1_Proposal, Proposal__Output as _infernode_autoscaling_v1_Proposal__Output } from './infernode/autoscaling/v1/Proposal.js';
import type { Replicas as _infernode_autoscaling_v1_Replicas, Replicas__Output as _infernode_autoscaling_v1_Replicas__Output } from './infernode/autoscaling/v1/Replicas.js';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  infernode: {
    autoscaling: {
      v1: {
        AutoscalingService: SubtypeConstructor<typeof grpc.Client, _infernode_autoscaling_v1_AutoscalingServiceClient> & { service: _infernode_autoscaling_v1_AutoscalingServiceDefinition }
        GetScalingRequest: MessageTypeDefinition<_infernode_autoscaling_v1_GetScalingRequest, _infernode_autoscaling_v1_GetScalingRequest__Output>
        ListScalingRequest: MessageTypeDefinition<_infernode_autoscaling_v1_ListScalingRequest, _infernode_autoscaling_v1_ListScalingRequest__Output>
        ListScalingResponse: MessageTypeDefinition<_infernode_autoscaling_v1_ListScalingResponse, _infernode_autoscaling_v1_ListScalingResponse__Output>
        ModelScaling: MessageTypeDefinition<_infernode_autoscaling_v1_ModelScaling, _infernode_autoscaling_v1_ModelScaling__Output>
        Proposal: MessageTypeDefinition<_infernode_autoscaling_v1_Proposal, _infernode_autoscaling_v1_Proposal__Output>
        Replicas: MessageTypeDefinition<_infernode_autoscaling_v1_Replicas, _infernode_autoscaling_v1_Replicas__Output>
      }
    }
  }
}

