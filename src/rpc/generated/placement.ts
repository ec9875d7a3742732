import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { Candidate as _infernode_placement_v1_Candidate, Candidate__Output as _infernode_placement_v1_Candidate__Output } from './infernode/placement/v1/Candidate.js';
import type { Explanation as _infernode_placement_v1_Explanation, Explanation__Output as _infernode_placement_v1_Explanation__Output } from './infernode/placement/v1/Explanation.js';
import type { FirstTokenRequest as _infernode_placement_v1_FirstTokenRequest, FirstTokenRequest__Output as _infernode_placement_v1_FirstTokenRequest__Output } from './infernode/placement/v1/FirstTokenRequest.js';
import type { LeaseAnswer as _infernode_placement_v1_LeaseAnswer, LeaseAnswer__Output as _infernode_placement_v1_LeaseAnswer__Output } from './infernode/placement/v1/LeaseAnswer.js';
import type { PlaceRequest as _infernode_placement_v1_PlaceRequest, PlaceRequest__Output as _infernode_placement_v1_PlaceRequest__Output } from './infernode/placement/v1/PlaceRequest.js';
import type { Placement as _infernode_placement_v1_Placement, Placement__Output as _infernode_placement_v1_Placement__Output } from './infernode/placement/v1/Placement.js';
import type { PlacementServiceClient as _infernode_placement_v1_PlacementServiceClient, PlacementServiceDefinition as _infernode_placement_v1_PlacementServiceDefinition } from './infernode/placement/v1/PlacementService.js';
import type { PromptChain as _infernode_placement_v1_PromptChain, PromptChain__Output as _infernode_placement_v1_PromptChain__Output } from './infernode/placement/v1/PromptChain.js';
import type { Refusal as _infernode_placement_v1_Refusal, Refusal__Output as _infernode_placement_v1_Refusal__Output } from './infernode/placement/v1/Refusal.js';
import type { ReleaseRequest as _infernode_placement_v1_ReleaseRequest, ReleaseRequest__Output as _infernode_placement_v1_ReleaseRequest__Output } from './infernode/placement/v1/ReleaseRequest.js';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  infernode: {
    placement: {
      v1: {
        Candidate: MessageTypeDefinition<_infernode_placement_v1_Candidate, _infernode_placement_v1_Candidate__Output>
        Explanation: MessageTypeDefinition<_infernode_placement_v1_Explanation, _infernode_placement_v1_Explanation__Output>
        FirstTokenRequest: MessageTypeDefinition<_infernode_placement_v1_FirstTokenRequest, _infernode_placement_v1_FirstTokenRequest__Output>
        LeaseAnswer: MessageTypeDefinition<_infernode_placement_v1_LeaseAnswer, _infernode_placement_v1_LeaseAnswer__Output>
        PlaceRequest: MessageTypeDefinition<_infernode_placement_v1_PlaceRequest, _infernode_placement_v1_PlaceRequest__Output>
        Placement: MessageTypeDefinition<_infernode_placement_v1_Placement, _infernode_placement_v1_Placement__Output>
        PlacementService: SubtypeConstructor<typeof grpc.Client, _infernode_placement_v1_PlacementServiceClient> & { service: _infernode_placement_v1_PlacementServiceDefinition }
        PromptChain: MessageTypeDefinition<_infernode_placement_v1_PromptChain, _infernode_placement_v1_PromptChain__Output>
        Refusal: MessageTypeDefinition<_infernode_placement_v1_Refusal, _infernode_placement_v1_Refusal__Output>
        ReleaseRequest: MessageTypeDefinition<_infernode_placement_v1_ReleaseRequest, _infernode_placement_v1_ReleaseRequest__Output>
      }
    }
  }
}

