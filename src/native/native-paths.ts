import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { InfernodeError } from '../domain/error-codes.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Where a build may stand: the local build first, then the prebuild that a package ships. */
const directories = [`${root}build/Release`, `${root}prebuilds/${process.platform}-${process.arch}`];

export type NativeFile =
  | 'infernode.node'
  | 'infernode-sampler'
  | 'infernode-keeper'
  | 'infernode-kv-bench'
  | 'infernode-kv-gpu-check'
  | 'infernode-kv-vectors'
  | 'infernode-probe'
  | 'libinfernode_cuda_sim.so'
  | 'libinfernode_nvml_sim.so';

/** Path of a file of the native build; throws with the build command when it is missing. */
export function nativePath(file: NativeFile): string {
  for (const directory of directories) {
    const path = `${directory}/${file}`;
    if (existsSync(path)) return path;
  }
  throw new InfernodeError(
    'internal',
    `expected ${file} in ${directories.join(' or ')}, found none; build it with \`npm run build:native\``,
  );
}
