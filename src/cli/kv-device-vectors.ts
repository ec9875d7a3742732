/**
 * Vectors by the GPU's kernels, in a child process: CUDA never lives in the caller. `cuda-sim` is the same host path over the
 * simulated driver, which runs the scalar reference in a kernel's place.
 */
import { InfernodeError } from '../domain/error-codes.js';
import { nativePath } from '../native/native-paths.js';
import type { Vector, VectorResult } from './kv-command.js';
import { runNative } from './run-native.js';

export const devicePaths = ['cuda-sim', 'cuda'] as const;
export type DevicePath = (typeof devicePaths)[number];

export interface DeviceOptions {
  path: DevicePath;
  /** Driver library; by default the system's, or the simulator's. */
  library?: string;
  /** The driver's index. */
  device?: number;
}

/** Throws `argument-invalid` naming the vector, or the driver that cannot be used with its reason. */
export async function runDeviceVectors(
  vectors: readonly Vector[],
  { path, library, device = 0 }: DeviceOptions,
): Promise<VectorResult[]> {
  const driver = library ?? (path === 'cuda' ? 'libcuda.so.1' : nativePath('libinfernode_cuda_sim.so'));
  const lines = vectors.map(
    ({ fmt, dtype, shape, in: input }) => `${[fmt, dtype, ...shape, input || '-'].join(' ')}\n`,
  );
  const output = await runChild(driver, device, lines.join(''));
  const [, ...answers] = output.trimEnd().split('\n');
  return vectors.map((vector, i) =>
    readAnswer(vector, vector.name ?? String(i), answers[i] ?? '! no answer'),
  );
}

function readAnswer({ fmt, shape }: Vector, name: string, answer: string): VectorResult {
  if (answer.startsWith('!'))
    throw new InfernodeError(
      'argument-invalid',
      `vector ${name} (${fmt}, ${shape.join('x')}): ${answer.slice(2)}`,
    );
  const [q = '', hdr = '', deq = '', nonfinite = ''] = answer
    .split(' ')
    .map((word) => (word === '-' ? '' : word));
  return { name, q, hdr, deq, nonfinite: Number(nonfinite) };
}

async function runChild(library: string, device: number, input: string): Promise<string> {
  const args = [library, String(device)];
  const { status, signal, output, complaint } = await runNative('infernode-kv-vectors', args, { input });
  if (status === 0) return output;
  throw new InfernodeError(
    'argument-invalid',
    `--path: ${library}: ${complaint || `ended by ${signal ?? status}`}`,
  );
}
