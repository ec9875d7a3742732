import { loadPackageDefinition } from '@grpc/grpc-js';
import type { ProtoGrpcType } from './generated/autoscaling.js';
import { loadProto } from './load-proto.js';

export const autoscalingPackage = loadProto('infernode/autoscaling/v1/autoscaling.proto');
export const autoscalingProto = (loadPackageDefinition(autoscalingPackage) as unknown as ProtoGrpcType)
  .infernode.autoscaling.v1;
