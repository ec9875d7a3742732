// Original file: proto/infernode/placement/v1/placement.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { Explanation as _infernode_placement_v1_Explanation, Explanation__Output as _infernode_placement_v1_Explanation__Output } from '../../../infernode/placement/v1/Explanation.js';
import type { FirstTokenRequest as _infernode_placement_v1_FirstTokenRequest, FirstTokenRequest__Output as _infernode_placement_v1_FirstTokenRequest__Output } from '../../../infernode/placement/v1/FirstTokenRequest.js';
import type { LeaseAnswer as _infernode_placement_v1_LeaseAnswer, LeaseAnswer__Output as _infernode_placement_v1_LeaseAnswer__Output } from '../../../infernode/placement/v1/LeaseAnswer.js';
import type { PlaceRequest as _infernode_placement_v1_PlaceRequest, PlaceRequest__Output as _infernode_placement_v1_PlaceRequest__Output } from '../../../infernode/placement/v1/PlaceRequest.js';
import type { Placement as _infernode_placement_v1_Placement, Placement__Output as _infernode_placement_v1_Placement__Output } from '../../../infernode/placement/v1/Placement.js';
import type { ReleaseRequest as _infernode_placement_v1_ReleaseRequest, ReleaseRequest__Output as _infernode_placement_v1_ReleaseRequest__Output } from '../../../infernode/placement/v1/ReleaseRequest.js';

export interface PlacementServiceClient extends grpc.Client {
  Explain(argument: _infernode_placement_v1_PlaceRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_placement_v1_Explanation__Output>): grpc.ClientUnaryCall;
  Explain(argument: _infernode_placement_v1_PlaceRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_placement_v1_Explanation__Output>): grpc.ClientUnaryCall;
  Explain(argument: _infernode_placement_v1_PlaceRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_placement_v1_Explanation__Output>): grpc.ClientUnaryCall;
  Explain(argument: _infernode_placement_v1_PlaceRequest, callback: grpc.requestCallback<_infernode_placement_v1_Explanation__Output>): grpc.ClientUnaryCall;
  explain(argument: _infernode_placement_v1_PlaceRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_placement_v1_Explanation__Output>): grpc.ClientUnaryCall;
  explain(argument: _infernode_placement_v1_PlaceRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_placement_v1_Explanation__Output>): grpc.ClientUnaryCall;
  explain(argument: _infernode_placement_v1_PlaceRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_placement_v1_Explanation__Output>): grpc.ClientUnaryCall;
  explain(argument: _infernode_placement_v1_PlaceRequest, callback: grpc.requestCallback<_infernode_placement_v1_Explanation__Output>): grpc.ClientUnaryCall;
  
  FirstToken(argument: _infernode_placement_v1_FirstTokenRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_placement_v1_LeaseAnswer__Output>): grpc.ClientUnaryCall;
  FirstToken(argument: _infernode_placement_v1_FirstTokenRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_placement_v1_LeaseAnswer__Output>): grpc.ClientUnaryCall;
  FirstToken(argument: _infernode_placement_v1_FirstTokenRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_placement_v1_LeaseAnswer__Output>): grpc.ClientUnaryCall;
  FirstToken(argument: _infernode_placement_v1_FirstTokenRequest, callback: grpc.requestCallback<_infernode_placement_v1_LeaseAnswer__Output>): grpc.ClientUnaryCall;
  firstToken(argument: _infernode_placement_v1_FirstTokenRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_placement_v1_LeaseAnswer__Output>): grpc.ClientUnaryCall;
  firstToken(argument: _infernode_placement_v1_FirstTokenRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_placement_v1_LeaseAnswer__Output>): grpc.ClientUnaryCall;
  firstToken(argument: _infernode_placement_v1_FirstTokenRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_placement_v1_LeaseAnswer__Output>): grpc.ClientUnaryCall;
  firstToken(argument: _infernode_placement_v1_FirstTokenRequest, callback: grpc.requestCallback<_infernode_placement_v1_LeaseAnswer__Output>): grpc.ClientUnaryCall;
  
  Place(argument: _infernode_placement_v1_PlaceRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_placement_v1_Placement__Output>): grpc.ClientUnaryCall;
  Place(argument: _infernode_placement_v1_PlaceRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_placement_v1_Placement__Output>): grpc.ClientUnaryCall;
  Place(argument: _infernode_placement_v1_PlaceRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_placement_v1_Placement__Output>): grpc.ClientUnaryCall;
  Place(argument: _infernode_placement_v1_PlaceRequest, callback: grpc.requestCallback<_infernode_placement_v1_Placement__Output>): grpc.ClientUnaryCall;
  place(argument: _infernode_placement_v1_PlaceRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_placement_v1_Placement__Output>): grpc.ClientUnaryCall;
  place(argument: _infernode_placement_v1_PlaceRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_placement_v1_Placement__Output>): grpc.ClientUnaryCall;
  place(argument: _infernode_placement_v1_PlaceRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_placement_v1_Placement__Output>): grpc.ClientUnaryCall;
  place(argument: _infernode_placement_v1_PlaceRequest, callback: grpc.requestCallback<_infernode_placement_v1_Placement__Output>): grpc.ClientUnaryCall;
  
  Release(argument: _infernode_placement_v1_ReleaseRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_placement_v1_LeaseAnswer__Output>): grpc.ClientUnaryCall;
  Release(argument: _infernode_placement_v1_ReleaseRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_placement_v1_LeaseAnswer__Output>): grpc.ClientUnaryCall;
  Release(argument: _infernode_placement_v1_ReleaseRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_placement_v1_LeaseAnswer__Output>): grpc.ClientUnaryCall;
  Release(argument: _infernode_placement_v1_ReleaseRequest, callback: grpc.requestCallback<_infernode_placement_v1_LeaseAnswer__Output>): grpc.ClientUnaryCall;
  release(argument: _infernode_placement_v1_ReleaseRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_placement_v1_LeaseAnswer__Output>): grpc.ClientUnaryCall;
  release(argument: _infernode_placement_v1_ReleaseRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_infernode_placement_v1_LeaseAnswer__Output>): grpc.ClientUnaryCall;
  release(argument: _infernode_placement_v1_ReleaseRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_infernode_placement_v1_LeaseAnswer__Output>): grpc.ClientUnaryCall;
  release(argument: _infernode_placement_v1_ReleaseRequest, callback: grpc.requestCallback<_infernode_placement_v1_LeaseAnswer__Output>): grpc.ClientUnaryCall;
  
}

export interface PlacementServiceHandlers extends grpc.UntypedServiceImplementation {
  Explain: grpc.handleUnaryCall<_infernode_placement_v1_PlaceRequest__Output, _infernode_placement_v1_Explanation>;
  
  FirstToken: grpc.handleUnaryCall<_infernode_placement_v1_FirstTokenRequest__Output, _infernode_placement_v1_LeaseAnswer>;
  
  Place: grpc.handleUnaryCall<_infernode_placement_v1_PlaceRequest__Output, _infernode_placement_v1_Placement>;
  
  Release: grpc.handleUnaryCall<_infernode_placement_v1_ReleaseRequest__Output, _infernode_placement_v1_LeaseAnswer>;
  
}

export interface PlacementServiceDefinition extends grpc.ServiceDefinition {
  Explain: MethodDefinition<_infernode_placement_v1_PlaceRequest, _infernode_placement_v1_Explanation, _infernode_placement_v1_PlaceRequest__Output, _infernode_placement_v1_Explanation__Output>
  FirstToken: MethodDefinition<_infernode_placement_v1_FirstTokenRequest, _infernode_placement_v1_LeaseAnswer, _infernode_placement_v1_FirstTokenRequest__Output, _infernode_placement_v1_LeaseAnswer__Output>
  Place: MethodDefinition<_infernode_placement_v1_PlaceRequest, _infernode_placement_v1_Placement, _infernode_placement_v1_PlaceRequest__Output, _infernode_placement_v1_Placement__Output>
  Release: MethodDefinition<_infernode_placement_v1_ReleaseRequest, _infernode_placement_v1_LeaseAnswer, _infernode_placement_v1_ReleaseRequest__Output, _infernode_placement_v1_LeaseAnswer__Output>
}
