import { loadPackageDefinition } from '@grpc/grpc-js';
import type { ProtoGrpcType } from './generated/cluster.js';
import { loadProto } from './load-proto.js';

export const clusterPackage = loadProto('infernode/cluster/v1/cluster.proto');
export const clusterProto = (loadPackageDefinition(clusterPackage) as unknown as ProtoGrpcType).infernode
  .cluster.v1;
