// The CUDA path without a GPU. What runs: the kernels' own source under an emulation of CUDA on the CPU, against the scalar reference; the
// whole host path (driver, PTX, upload, launch, download) over the simulated libcuda, which runs the reference in the kernels' place.
// What does not: the PTX itself, and any timing.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { runVector, type Vector } from '../../src/cli/kv-command.js';
import { runDeviceVectors } from '../../src/cli/kv-device-vectors.js';
import { encodeRecords } from '../../src/native/kv-quantizer.js';
import { nativePath } from '../../src/native/native-paths.js';
import { mainFile } from '../support/running-up.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const release = `${root}build/Release`;
const scratch = mkdtempSync(join(tmpdir(), 'infernode-kv-cuda-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const codes = ['int8', 'int4s', 'int4a', 'e4m3', 'e5m2'];
const groupings = ['head', 'tok', 'g8', 'g24', 'chan', 'tok_r', 'chan_r'];

/** Any bits at all, so NaN and infinities too; seeded by the place. */
function randomVector(fmt: string, dtype: 'bf16' | 'fp16', shape: [number, number, number]): Vector {
  const values = new Uint16Array(shape[0] * shape[1] * shape[2]);
  let state = [...fmt].reduce((hash, c) => (hash * 31 + c.charCodeAt(0)) >>> 0, 7) || 1;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = state >>> 16;
  }
  return { name: `${fmt} ${dtype}`, fmt, dtype, shape, in: Buffer.from(values.buffer).toString('hex') };
}

function hexOf(values: Uint16Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('hex');
}

const formats = [...codes.flatMap((code) => groupings.map((grouping) => `${code}_${grouping}`)), 'raw'];
const vectors = formats.flatMap((fmt) => [
  randomVector(fmt, 'bf16', [5, 2, 32]),
  randomVector(fmt, 'fp16', [4, 3, 16]),
  ...(fmt.endsWith('_r') ? [] : [randomVector(fmt, 'bf16', [3, 2, 7])]),
]);

test('cuda-sim, scalar and simd give the same bits in every format', async () => {
  const scalar = vectors.map((vector) => runVector(vector, 'scalar', vector.name ?? ''));
  expect(await runDeviceVectors(vectors, { path: 'cuda-sim' })).toEqual(scalar);
  expect(vectors.map((vector) => runVector(vector, 'simd', vector.name ?? ''))).toEqual(scalar);
});

test('the command itself writes the same file by the scalar path and over the simulated driver', () => {
  const input = join(scratch, 'in.json');
  writeFileSync(input, JSON.stringify({ vectors }));
  const written = ['scalar', 'cuda-sim'].map((path) => {
    const out = join(scratch, `${path}.json`);
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [mainFile, 'kv', 'vectors', '--in', input, '--out', out, '--path', path],
      { encoding: 'utf8', timeout: 110_000 },
    );
    expect(status, stderr).toBe(0);
    expect(stdout).toBe(`${vectors.length} vectors by the ${path} path written to ${out}\n`);
    return JSON.parse(readFileSync(out, 'utf8')) as { vectors: unknown[] };
  });
  expect(written[0]?.vectors).toHaveLength(vectors.length);
  expect(written[1]).toEqual(written[0]);
}, 240_000);

test('the error of each head, measured on the device, is the one that the scalar path measures', () => {
  const finite = vectors.map(({ fmt, dtype, shape, in: hex }) => {
    const bytes = Buffer.from(hex, 'hex');
    const bits = Uint16Array.from(
      { length: bytes.length / 2 },
      (_, j) => (bytes.readUInt16LE(2 * j) & 0x83ff) | 0x3c00,
    );
    return { fmt, dtype, shape, bits };
  });
  const input = finite.map(
    ({ fmt, dtype, shape, bits }) => `${[fmt, dtype, ...shape].join(' ')} ${hexOf(bits)}\n`,
  );
  const { stdout, status } = spawnSync(
    `${release}/infernode-kv-vectors`,
    [nativePath('libinfernode_cuda_sim.so'), '0'],
    { encoding: 'utf8', input: input.join(''), timeout: 60_000 },
  );
  expect(status).toBe(0);
  const [, ...answers] = stdout.trimEnd().split('\n');
  finite.forEach(({ fmt, dtype, shape: [blockTokens, heads, dim], bits }, i) => {
    const section = { format: fmt, dtype, layout: 'nhd', blockTokens, heads, dim, blocks: 1, blocksPerRecord: 1 } as const; // prettier-ignore
    const { errors } = encodeRecords(section, bits, Int32Array.of(0), 'scalar');
    const measured = Buffer.from(answers[i]?.split(' ')[4] ?? '', 'hex');
    errors.forEach((error, head) => {
      expect(measured.readFloatLE(4 * head), `${fmt} ${dtype}`).toBeCloseTo(error, 6);
    });
  });
});

test('a driver that is not there, and a vector that cannot be, are named', async () => {
  const some = vectors.slice(0, 1);
  await expect(runDeviceVectors(some, { path: 'cuda', library: 'libnone.so.7' })).rejects.toThrow(
    /libnone\.so\.7: library-absent/,
  );
  const odd = { ...randomVector('int8_tok_r', 'bf16', [1, 1, 6]), name: 'six' };
  await expect(runDeviceVectors([odd], { path: 'cuda-sim' })).rejects.toThrow(
    /vector six .*power-of-two dim/,
  );
  const wide = { ...randomVector('int8_head', 'bf16', [1, 1, 4096]), name: 'wide' };
  await expect(runDeviceVectors([wide], { path: 'cuda-sim' })).rejects.toThrow(/vector wide/);
});

describe('emulated, not on a GPU', () => {
  test('the kernels agree with the reference bit for bit', () => {
    const { status, stdout, stderr } = spawnSync(
      `${release}/infernode-kv-kernel-emulation-test`,
      ['0', '60'],
      {
        encoding: 'utf8',
        timeout: 280_000,
      },
    );
    expect(`${stdout}${stderr}`).toMatch(/seed \d+, 60 rounds, 0 failures\n$/);
    expect(status).toBe(0);
  }, 300_000);
});

/** `.version` decides which driver loads a file; native/cuda/README.md has the table. */
const images = readdirSync(`${root}native/kvquant/cuda/ptx`);
test.each(images)('the committed %s asks for the driver that it says, and holds its one entry', (file) => {
  const ptx = readFileSync(`${root}native/kvquant/cuda/ptx/${file}`, 'utf8');
  const [entry, image] = file.split('.');
  expect(ptx).toContain(`.version ${image === 'sm89' ? '8.1' : '7.4'}\n`);
  expect(ptx).toContain(`.target sm_${image?.slice(2)}`);
  expect(ptx.includes('cvt.rn.satfinite.e4m3x2.f32')).toBe(image === 'sm89');
  expect([...ptx.matchAll(/\.entry (\w+)/g)].map(([, name]) => name)).toEqual([`infernode_kv_${entry}`]);
});

test('the images together are small enough to live in a repository and in every process', () => {
  const bytes = images.map((file) => statSync(`${root}native/kvquant/cuda/ptx/${file}`).size);
  expect(bytes.reduce((sum, n) => sum + n, 0)).toBeLessThan(1_700_000);
});
