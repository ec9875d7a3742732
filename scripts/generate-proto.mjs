// Writes the TypeScript types of proto/ into src/rpc/generated; run after every change of a .proto file.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';

const out = 'src/rpc/generated';
rmSync(out, { recursive: true, force: true });
const { status } = spawnSync(
  'node_modules/.bin/proto-loader-gen-types',
  [
    '--longs=String',
    '--enums=String',
    '--defaults',
    '--oneofs',
    '--grpcLib=@grpc/grpc-js',
    '--importFileExtension=.js',
    `--outDir=${out}`,
    '-I',
    'proto',
    '--',
    'infernode/node/v1/node.proto',
    'infernode/cluster/v1/cluster.proto',
    'infernode/placement/v1/placement.proto',
    'infernode/autoscaling/v1/autoscaling.proto',
    'externalscaler.proto',
    'podresources/v1/podresources.proto',
  ],
  { stdio: 'inherit' },
);
process.exit(status ?? 1);
