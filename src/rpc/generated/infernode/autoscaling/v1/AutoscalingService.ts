// Original file: proto/infernode/autoscaling/v1/autoscaling.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { GetScalingRequest as _infernode_autoscaling_v1_GetScalingRequest, GetScalingRequest__Output as _infernode_autoscaling_v1_GetScalingRequest__Output } from '../../../infernode/autoscaling/v1/GetScalingRequest.js';
import type { ListScalingRequest as _infernode_autoscaling_v1_ListScalingRequest, ListScalingRequest__Output as _infernode_autoscaling_v1_ListScalingRequest__Output } from '../../../infernode/autoscaling/v1/ListScalingRequest.js';
import type { ListScalingResponse as _infernode_autoscaling_v1_ListScalingResponse, ListScalingResponse__Output as _infernode_autoscaling_v1_ListScalingResponse__Output } from '../../../infernode/autoscaling/v1/ListScalingResponse.js';
import type { ModelScaling as _infernode_autoscaling_v1_ModelScaling, ModelScaling__Output as _infernode_autoscaling_v1_ModelScaling__Output } from '../../../infernode/autoscaling/v1/ModelScaling.js';

export interface AutoscalingServiceClient extends grpc.Client {
  GetScaling(argument: _infernode_autoscaling_v1_GetScalingRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_autoscaling_v1_ModelScaling__Output>): grpc.ClientUnaryCall;
  GetScaling(argument: _infernode_autoscaling_v1_GetScalingRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_autoscaling_v1_ModelScaling__Output>): grpc.ClientUnaryCall;
  GetScaling(argument: _infernode_autoscaling_v1_GetScalingRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_autoscaling_v1_ModelScaling__Output>): grpc.ClientUnaryCall;
  GetScaling(argument: _infernode_autoscaling_v1_GetScalingRequest, callback: grpc.requestCallback<_infernode_autoscaling_v1_ModelScaling__Output>): grpc.ClientUnaryCall;
  getScaling(argument: _infernode_autoscaling_v1_GetScalingRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_autoscaling_v1_ModelScaling__Output>): grpc.ClientUnaryCall;
  getScaling(argument: _infernode_autoscaling_v1_GetScalingRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_autoscaling_v1_ModelScaling__Output>): grpc.ClientUnaryCall;
  getScaling(argument: _infernode_autoscaling_v1_GetScalingRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_autoscaling_v1_ModelScaling__Output>): grpc.ClientUnaryCall;
  getScaling(argument: _infernode_autoscaling_v1_GetScalingRequest, callback: grpc.requestCallback<_infernode_autoscaling_v1_ModelScaling__Output>): grpc.ClientUnaryCall;
  
  ListScaling(argument: _infernode_autoscaling_v1_ListScalingRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_autoscaling_v1_ListScalingResponse__Output>): grpc.ClientUnaryCall;
  ListScaling(argument: _infernode_autoscaling_v1_ListScalingRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_autoscaling_v1_ListScalingResponse__Output>): grpc.ClientUnaryCall;
  ListScaling(argument: _infernode_autoscaling_v1_ListScalingRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_autoscaling_v1_ListScalingResponse__Output>): grpc.ClientUnaryCall;
  ListScaling(argument: _infernode_autoscaling_v1_ListScalingRequest, callback: grpc.requestCallback<_infernode_autoscaling_v1_ListScalingResponse__Output>): grpc.ClientUnaryCall;
  listScaling(argument: _infernode_autoscaling_v1_ListScalingRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_autoscaling_v1_ListScalingResponse__Output>): grpc.ClientUnaryCall;
  listScaling(argument: _infernode_autoscaling_v1_ListScalingRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_autoscaling_v1_ListScalingResponse__Output>): grpc.ClientUnaryCall;
  listScaling(argument: _infernode_autoscaling_v1_ListScalingRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_autoscaling_v1_ListScalingResponse__Output>): grpc.ClientUnaryCall;
  listScaling(argument: _infernode_autoscaling_v1_ListScalingRequest, callback: grpc.requestCallback<_infernode_autoscaling_v1_ListScalingResponse__Output>): grpc.ClientUnaryCall;
  
}

export interface AutoscalingServiceHandlers extends grpc.UntypedServiceImplementation {
  GetScaling: grpc.handleUnaryCall<_infernode_autoscaling_v1_GetScalingRequest__Output, _infernode_autoscaling_v1_ModelScaling>;
  
  ListScaling: grpc.handleUnaryCall<_infernode_autoscaling_v1_ListScalingRequest__Output, _infernode_autoscaling_v1_ListScalingResponse>;
  
}

export interface AutoscalingServiceDefinition extends grpc.ServiceDefinition {
  GetScaling: MethodDefinition<_infernode_autoscaling_v1_GetScalingRequest, _infernode_autoscaling_v1_ModelScaling, _infernode_autoscaling_v1_GetScalingRequest__Output, _infernode_autoscaling_v1_ModelScaling__Output>
  ListScaling: MethodDefinition<_infernode_autoscaling_v1_ListScalingRequest, _infernode_autoscaling_v1_ListScalingResponse, _infernode_autoscaling_v1_ListScalingRequest__Output, _infernode_autoscaling_v1_ListScalingResponse__Output>
}
