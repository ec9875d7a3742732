import { loadPackageDefinition } from '@grpc/grpc-js';
import type { ProtoGrpcType } from './generated/podresources.js';
import { loadProto } from './load-proto.js';

/** The kubelet's; loaded by those that ask it, which few agents do. */
export function loadPodResourcesProto(): ProtoGrpcType['v1'] {
  const definition = loadProto('podresources/v1/podresources.proto');
  return (loadPackageDefinition(definition) as unknown as ProtoGrpcType).v1;
}
