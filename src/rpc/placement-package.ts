import { loadPackageDefinition } from '@grpc/grpc-js';
import type { ProtoGrpcType } from './generated/placement.js';
import { loadProto } from './load-proto.js';

export const placementPackage = loadProto('infernode/placement/v1/placement.proto');
export const placementProto = (loadPackageDefinition(placementPackage) as unknown as ProtoGrpcType).infernode
  .placement.v1;
