import { fileURLToPath } from 'node:url';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';

/** Works from `src/rpc` and from `dist/rpc` alike: both are two levels below the package root. */
const protoDir = fileURLToPath(new URL('../../proto', import.meta.url));

/** Must equal the options in `scripts/generate-proto.mjs`, or the generated types lie. */
const options = { longs: String, enums: String, defaults: true, oneofs: true, includeDirs: [protoDir] };

/** `file` is below `proto/`. Each package has a module of its own (`*-package.ts`), so that a process loads what it speaks. */
export function loadProto(file: string): PackageDefinition {
  return loadSync(file, options);
}
