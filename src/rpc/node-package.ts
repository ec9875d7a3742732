import { loadPackageDefinition } from '@grpc/grpc-js';
import type { ProtoGrpcType } from './generated/node.js';
import { loadProto } from './load-proto.js';

export const nodePackage = loadProto('infernode/node/v1/node.proto');
export const nodeProto = (loadPackageDefinition(nodePackage) as unknown as ProtoGrpcType).infernode.node.v1;
