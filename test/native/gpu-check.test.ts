// scripts/gpu-check and its program without a GPU: they run end to end over the simulated driver and show no time of it; parts that fail or hang
// cost their own results only, and what the others found is written.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { nativePath } from '../../src/native/native-paths.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const simulator = nativePath('libinfernode_cuda_sim.so');
const scratch = mkdtempSync(join(tmpdir(), 'infernode-gpu-check-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Report {
  simulated: boolean;
  gpu: string;
  parity: { cases: number; failures: number } | null;
  figures: null | Record<'formats' | 'chains' | 'launch', Record<string, number | string>[]>;
  parts: { part: string; state: string; reason: string | null }[];
}
const read = (directory: string, file: string): Report =>
  JSON.parse(readFileSync(join(directory, file), 'utf8')) as Report;
const stateOf = ({ parts }: Report, name: string): string | undefined =>
  parts.find(({ part }) => part === name)?.state;

function runCheck(
  name: string,
  scenario: string,
  ...args: string[]
): { status: number | null; stdout: string; stderr: string; directory: string } {
  const directory = mkdtempSync(join(scratch, name));
  const file = join(directory, 'scenario');
  writeFileSync(file, scenario);
  const { status, stdout, stderr } = spawnSync(
    nativePath('infernode-kv-gpu-check'),
    ['--library', simulator, '--rounds', '1', '--out', directory, ...args],
    { encoding: 'utf8', env: { ...process.env, INFERNODE_CUDA_SIM: file }, timeout: 110_000 },
  );
  return { status, stdout, stderr, directory };
}

test('the script runs end to end over the simulator, and shows no time of it', () => {
  const results = join(scratch, 'results');
  const { status, stdout, stderr } = spawnSync(`${root}scripts/gpu-check`, ['--simulator', '--rounds', '1'], {
    encoding: 'utf8',
    env: { ...process.env, INFERNODE_BUILD: `${root}build`, INFERNODE_GPU_RESULTS: results },
    timeout: 110_000,
  });
  expect(status, stderr).toBe(0);
  expect(stdout).toContain('A simulator, not a GPU');
  expect(stderr).toMatch(/gpu-check 0:\d\d probe: heartbeat[^]*all parts passed/);
  const report = read(results, 'kv-gpu-simulated.json');
  expect(report).toMatchObject({ simulated: true, parity: { cases: 100, failures: 0 }, figures: null });
  // Every measurement can run, chains of 1, 2, 4 and 8 records both ways included.
  expect(report.parts).toHaveLength(21);
  expect(report.parts.filter(({ state }) => state !== 'done')).toEqual([]);
  expect(read(results, 'gpu-probe-simulated.json')).toMatchObject({
    preflight: { verdict: 'pass' },
    heartbeat: expect.arrayContaining([expect.objectContaining({ beat: 20 })]) as unknown,
  });
  expect(readdirSync(results)).toHaveLength(3);
}, 120_000);

test('kernels that fail are in the report, and the status is 1', () => {
  const { status, stdout, stderr, directory } = runCheck(
    'illegal',
    // Two launches a case: one measures, one decodes.
    'fail launch:infernode_kv_decode_bf16 CUDA_ERROR_ILLEGAL_ADDRESS after 4\n',
  );
  expect(status).toBe(1);
  expect(stderr).toMatch(/int8_\S+ .*ILLEGAL_ADDRESS/);
  expect(stdout).toMatch(/7 cases, 3 failures/);
  const report = read(directory, 'kv-gpu-simulated.json');
  expect(report).toMatchObject({ parity: { cases: 7, failures: 3 }, figures: null });
  expect(report.parts.find(({ part }) => part === 'parity')).toMatchObject({
    state: 'failed',
    reason: expect.stringContaining('ILLEGAL_ADDRESS') as string,
  });
}, 60_000);

test('a part that hangs is ended, and keeps what it found; the others run', () => {
  const { status, stdout, directory } = runCheck(
    'hanging',
    'hang launch:infernode_kv_encode_r\n',
    ...['--exercise', '1', '--part-seconds', '4'],
  );
  expect(status).toBe(1);
  const report = read(directory, 'kv-gpu-simulated.json');
  expect(report.parity?.cases).toBeGreaterThan(10);
  expect(report.parity?.cases).toBeLessThan(100);
  expect(stdout).toContain('not all of it run');
  for (const part of ['parity', 'format int8_tok_r', 'format int4a_g64_r'])
    expect(stateOf(report, part)).toBe('timed-out');
  for (const part of ['device', 'format int8_head', 'format raw', 'chain encode 1', 'launch'])
    expect(stateOf(report, part)).toBe('done');
}, 120_000);

test('a driver that hangs as it opens ends the check with a report', () => {
  const { status, directory } = runCheck('opening', 'hang cuInit\n', '--part-seconds', '1');
  expect(status).toBe(1);
  const report = read(directory, 'kv-gpu.json');
  expect(report.parts).toEqual([
    {
      part: 'device',
      state: 'timed-out',
      seconds: expect.any(Number) as number,
      reason: expect.any(String) as string,
    },
  ]);
  expect(report).toMatchObject({ parity: null, figures: null });
}, 30_000);

test('without a usable GPU there is no file, and the status is 3', () => {
  const { status, stderr, directory } = runCheck('none', 'compute 75\n');
  expect({ status, files: readdirSync(directory) }).toEqual({ status: 3, files: ['scenario'] });
  expect(stderr).toMatch(/needed is 8\.0 or newer/);
});

test('the tables of a device that does not say that it is simulated', () => {
  // Only here, so that the report of a real one is seen before there is a real one. Its figures are thrown away.
  const library = join(scratch, 'libpretended.so');
  const text = readFileSync(simulator, 'latin1').replace(
    'infernode simulated GPU',
    'infernode pretended GPU',
  );
  writeFileSync(library, text, 'latin1');
  const { status, stdout, directory } = runCheck(
    'tables',
    '',
    '--library',
    library,
    '--mib',
    '1',
    '--repeats',
    '1',
  );
  expect(status).toBe(0);
  const { figures, gpu } = read(directory, 'kv-gpu.json');
  expect(gpu).toBe('infernode pretended GPU (no hardware)');
  expect(figures?.formats.map(({ format }) => format)).toContain('int4a_chan');
  expect(figures?.formats[0]).toEqual({
    format: 'int8_head',
    budget: 0.85,
    copyGBps: expect.any(Number) as number,
    bitsPerValue: 8.06,
    encode: expect.any(Number) as number,
    encodeFewBlocks: expect.any(Number) as number,
    decode: expect.any(Number) as number,
  });
  expect(figures?.chains.map(({ direction, records }) => `${direction} ${records}`)).toEqual(
    ['encode', 'decode'].flatMap((direction) => [1, 2, 4, 8].map((records) => `${direction} ${records}`)),
  );
  const measured = ['copy', 'perLayer', 'batched', 'graph'].flatMap((way) => [`${way}Us`, `${way}ThreadUs`]);
  expect(Object.keys(figures?.chains[7] ?? {})).toEqual([
    'direction',
    'records',
    'sections',
    'kib',
    ...measured,
  ]);
  expect(stdout.match(/^\| (int|e4m3|raw).*\|$/gm)).toHaveLength(10);
  expect(stdout.match(/^\| (encode|decode) \| [1248] \|.*\|$/gm)).toHaveLength(8);
}, 120_000);
