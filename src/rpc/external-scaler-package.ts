import { loadPackageDefinition } from '@grpc/grpc-js';
import type { ProtoGrpcType } from './generated/externalscaler.js';
import { loadProto } from './load-proto.js';

export const externalScalerPackage = loadProto('externalscaler.proto');
export const externalScalerProto = (loadPackageDefinition(externalScalerPackage) as unknown as ProtoGrpcType)
  .externalscaler;
