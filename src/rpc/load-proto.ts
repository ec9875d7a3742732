import { fileURLToPath } from 'node:url';
import { loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import type { ProtoGrpcType as AutoscalingProto } from './generated/autoscaling.js';
import type { ProtoGrpcType as ClusterProto } from './generated/cluster.js';
import type { ProtoGrpcType as ExternalScalerProto } from './generated/externalscaler.js';
import type { ProtoGrpcType as NodeProto } from './generated/node.js';
import type { ProtoGrpcType as PlacementProto } from './generated/placement.js';

/** Works from `src/rpc` and from `dist/rpc` alike: both are two levels below the package root. */
const protoDir = fileURLToPath(new URL('../../proto', import.meta.url));

/** Must equal the options in `scripts/generate-proto.mjs`, or the generated types lie. */
const options = { longs: String, enums: String, defaults: true, oneofs: true, includeDirs: [protoDir] };

export const nodePackage: PackageDefinition = loadSync('infernode/node/v1/node.proto', options);
export const clusterPackage: PackageDefinition = loadSync('infernode/cluster/v1/cluster.proto', options);
export const placementPackage: PackageDefinition = loadSync(
  'infernode/placement/v1/placement.proto',
  options,
);
export const autoscalingPackage: PackageDefinition = loadSync(
  'infernode/autoscaling/v1/autoscaling.proto',
  options,
);
export const externalScalerPackage: PackageDefinition = loadSync('externalscaler.proto', options);

export const nodeProto = (loadPackageDefinition(nodePackage) as unknown as NodeProto).infernode.node.v1;
export const clusterProto = (loadPackageDefinition(clusterPackage) as unknown as ClusterProto).infernode
  .cluster.v1;
export const placementProto = (loadPackageDefinition(placementPackage) as unknown as PlacementProto).infernode
  .placement.v1;
export const autoscalingProto = (loadPackageDefinition(autoscalingPackage) as unknown as AutoscalingProto)
  .infernode.autoscaling.v1;
export const externalScalerProto = (
  loadPackageDefinition(externalScalerPackage) as unknown as ExternalScalerProto
).externalscaler;
