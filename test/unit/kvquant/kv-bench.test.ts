// `infernode kv bench` with a benchmark small enough for a test: what the program prints is understood, and the table names
// the machine, the budgets and what missed them. No speed is asserted.
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { benchArguments, kvBenchTable, parseBenchOutput } from '../../../src/cli/kv-bench.js';
import { benchGpu } from '../../../src/cli/kv-gpu-bench.js';
import { mainFile } from '../../support/running-up.js';
import { nativePath } from '../../../src/native/native-paths.js';

const options = { mib: '1', repeats: '1', threads: '2', layout: 'hnd', formats: 'int8_head,int4a_chan,raw' };

test('the native program prints what the command reads', () => {
  const output = execFileSync(nativePath('infernode-kv-bench'), benchArguments(options), {
    encoding: 'utf8',
  });
  const { formats, layout, threads } = parseBenchOutput(output);
  expect({ layout, threads }).toEqual({ layout: 'hnd', threads: 2 });
  expect(formats.map(({ format }) => format)).toEqual(['int8_head', 'int4a_chan', 'raw']);
  expect(formats.every(({ encodeSpeedup }) => encodeSpeedup !== undefined)).toBe(true);
  expect(formats[2]?.bytesPerValue).toBeCloseTo(2, 1);
});

test('the table names the machine and marks a missed budget', () => {
  const figures = { bytesPerValue: 1, memcpyGBps: 10, limit: 1.33, decode: 0.9, encodeWithErrors: 0.4 };
  const table = kvBenchTable({
    machine: { cpu: 'A CPU', cores: 2, memoryGiB: 8 },
    date: '2026-11-21',
    simd: 'avx2',
    mib: 256,
    repeats: 9,
    threads: 1,
    layout: 'nhd',
    formats: [
      { format: 'int8_head', encode: 0.5, ...figures },
      { format: 'e4m3_head', encode: 0.8, ...figures },
    ],
  });
  expect(table).toContain('A CPU, 2 cores, 8 GiB; path avx2; 2026-11-21');
  expect(table).toContain('| int8_head | 8.00 | 0.50 | 0.75 **missed** | 0.90 | 0.75 | 1.33 | 0.40 |');
  expect(table).toContain('| e4m3_head | 8.00 | 0.80 | 0.60 | 0.90 | 0.60 | 1.33 | 0.40 |');
});

test.each([
  [{ mib: '0' }, /--mib: expected/],
  [{ repeats: 'x' }, /--repeats: expected/],
  [{ threads: '257' }, /--threads: expected/],
  [{ layout: 'dhn' }, /--layout: expected/],
])('%o is refused by name', (over, message) => {
  expect(() => benchArguments({ ...options, ...over })).toThrow(message);
});

test('--json says why no GPU was measured', () => {
  const run = (...more: string[]): { gpu: unknown } => {
    const args = ['kv', 'bench', '--mib', '1', '--repeats', '1', '--formats', 'raw', '--json', ...more];
    return JSON.parse(execFileSync(process.execPath, [mainFile, ...args], { encoding: 'utf8' })) as {
      gpu: unknown;
    };
  };
  expect(run('--no-gpu').gpu).toEqual({ measured: false, reason: '--no-gpu', report: null });
  expect(run('--library', 'libnone.so.7').gpu).toEqual({
    measured: false,
    reason: expect.stringMatching(/^library-absent: /) as string,
    report: null,
  });
}, 60_000);

test('the GPU half: a table of the driver that there is, or one line that says why there is none', async () => {
  expect(await benchGpu('libnone.so.7')).toEqual({
    table: expect.stringMatching(/^No GPU table: .*libnone\.so\.7: cannot open.*\n$/) as string,
    result: {
      measured: false,
      reason: expect.stringMatching(/^library-absent: libnone\.so\.7/) as string,
      report: null,
    },
  });
  const { table, result } = await benchGpu(nativePath('libinfernode_cuda_sim.so'));
  expect(table).toMatch(/A simulator, not a GPU.*\n[^]*100 cases, 0 failures/);
  expect(result).toMatchObject({
    measured: false,
    reason: expect.stringContaining('simulated') as string,
    report: { simulated: true, parity: { failures: 0 }, figures: null },
  });
}, 120_000);
