import { readFileSync, writeFileSync } from 'node:fs';
import { Option, type Command } from 'commander';
import { z } from 'zod';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import { addKvBench } from './kv-bench.js';
import { devicePaths, runDeviceVectors, type DevicePath } from './kv-device-vectors.js';
import { dequantize, inRecordOrder, kvPaths, quantize, type KvPath } from '../native/kv-quantizer.js';

const hex = z.string().regex(/^([0-9a-f]{2})*$/i, 'expected an even number of hex digits');
const vectorsSchema = z.strictObject({
  vectors: z.array(
    z.looseObject({
      name: z.string().optional(),
      dtype: z.enum(['bf16', 'fp16']),
      fmt: z.string(),
      shape: z.tuple([z.int().positive(), z.int().positive(), z.int().positive()]),
      in: hex,
    }),
  ),
});
export type Vector = z.infer<typeof vectorsSchema>['vectors'][number];

export interface VectorResult {
  name: string;
  /** Codes, groups in record order. */
  q: string;
  /** 4 bytes per group. */
  hdr: string;
  deq: string;
  nonfinite: number;
}

export function addKvCommand(program: Command): void {
  const kv = program
    .command('kv')
    .description('KV-cache quantization: cross-check the exact formats, measure the kernels');
  kv.command('vectors')
    .description('quantize and dequantize test vectors, for cross-checks against other implementations')
    .requiredOption(
      '--in <file>',
      '{"vectors":[{"name","dtype":"bf16|fp16","fmt":"int8_head|...","shape":[tokens,heads,dim],"in":"<hex, u16 little-endian>"}]}',
    )
    .requiredOption('--out <file>', 'receives {"vectors":[{"name","q","hdr","deq","nonfinite"}]}')
    .addOption(
      new Option('--path <path>', 'which implementation')
        .choices([...kvPaths, ...devicePaths])
        .default('simd'),
    )
    .option('--library <path>', 'driver library for cuda and cuda-sim instead of the usual one')
    .action(async ({ in: input, out, path, library }: VectorsOptions) => {
      const results = await runVectors(readVectors(input), path, library);
      writeResults(out, results);
      process.stdout.write(`${results.length} vectors by the ${path} path written to ${out}\n`);
    });
  addKvBench(kv);
}

interface VectorsOptions {
  in: string;
  out: string;
  path: KvPath | DevicePath;
  library?: string;
}

async function runVectors(
  vectors: readonly Vector[],
  path: KvPath | DevicePath,
  library: string | undefined,
): Promise<VectorResult[]> {
  if (path === 'cuda' || path === 'cuda-sim')
    return runDeviceVectors(vectors, library === undefined ? { path } : { path, library });
  return vectors.map((vector, i) => runVector(vector, path, vector.name ?? String(i)));
}

function writeResults(file: string, vectors: readonly VectorResult[]): void {
  try {
    writeFileSync(file, `${JSON.stringify({ vectors })}\n`);
  } catch (error) {
    throw new InfernodeError('argument-invalid', `--out ${file}: cannot be written: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function readVectors(file: string): Vector[] {
  try {
    return vectorsSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).vectors;
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error);
    throw new InfernodeError('argument-invalid', `${file}: not a vectors file: ${reason}`, { cause: error });
  }
}

/** Encodes and decodes one vector; throws `argument-invalid` that names it. */
export function runVector(
  { fmt, dtype, shape, in: input }: Pick<Vector, 'fmt' | 'dtype' | 'shape' | 'in'>,
  path: KvPath,
  name: string,
): VectorResult {
  const block = { path, format: fmt, dtype, shape };
  const bytes = Uint8Array.from(Buffer.from(input, 'hex'));
  const elements = shape[0] * shape[1] * shape[2];
  if (bytes.length !== 2 * elements)
    throw new InfernodeError(
      'argument-invalid',
      `vector ${name}: expected ${2 * elements} bytes for shape ${shape.join('x')}, got ${bytes.length}`,
    );
  try {
    const record = quantize(block, new Uint16Array(bytes.buffer));
    return {
      name,
      q: toHex(inRecordOrder(block, record.codes)),
      hdr: toHex(record.headers),
      deq: toHex(dequantize(block, record)),
      nonfinite: record.nonfinite,
    };
  } catch (error) {
    throw new InfernodeError(
      'argument-invalid',
      `vector ${name} (${fmt}, ${shape.join('x')}): ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** Bytes in memory order; every platform that this runs on is little-endian. */
function toHex(array: Uint8Array | Uint16Array | Uint32Array): string {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('hex');
}
