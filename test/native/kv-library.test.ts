// libinfernode_kv without Node: its own test program on every vector width, as it was built and, where CMake is at hand,
// built with AddressSanitizer and UndefinedBehaviorSanitizer; and what the shared library exports.
import { execFileSync, spawnSync } from 'node:child_process';

import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { buildWithSanitizers, canSanitize } from '../support/sanitizer-build.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const release = `${root}build/Release`;
const has = (program: string): boolean => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
const widths = ['avx512', 'avx2', 'portable'];

function run(program: string, ...options: string[]): string {
  const env = { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' };
  const { status, stdout, stderr } = spawnSync(program, options, { encoding: 'utf8', timeout: 180_000, env });
  return status === 0 ? stdout : `status ${status}\n${stdout}\n${stderr}`;
}

function runKvTest(program: string, width: string, rounds: number): string {
  const { status, stdout, stderr } = spawnSync(program, ['11', String(rounds)], {
    encoding: 'utf8',
    timeout: 180_000,
    env: { ...process.env, INFERNODE_KV_SIMD: width, ASAN_OPTIONS: 'detect_leaks=0' },
  });
  return status === 0 ? stdout : `status ${status}\n${stdout}\n${stderr}`;
}

// node-gyp, the fallback where CMake is absent, does not build the test program.
describe('as built', () => {
  test.each(widths)(
    '%s',
    (width) => {
      expect(runKvTest(`${release}/infernode-kv-test`, width, 100)).toMatch(/100 rounds, 0 failures\n$/);
    },
    200_000,
  );
});

describe.runIf(canSanitize)('with sanitizers (needs CMake)', () => {
  const build = `${root}build/sanitize`;

  // One build for all that is tested here, the kernels' emulation included.
  test(
    'builds',
    () => void buildWithSanitizers('kv_test', 'kv_record_fuzz', 'kv_kernel_emulation_test'),
    600_000,
  );

  test.each(widths)(
    '%s',
    (width) => {
      expect(runKvTest(`${build}/Release/infernode-kv-test`, width, 40)).toMatch(/40 rounds, 0 failures\n$/);
    },
    200_000,
  );

  test('any bytes as a record', () => {
    expect(run(`${build}/Release/infernode-kv-record-fuzz`, '3', '20000')).toMatch(/ 0 broken\n$/);
  }, 200_000);

  test('the emulated kernels', () => {
    const output = run(`${build}/Release/infernode-kv-kernel-emulation-test`, '2', '8');
    expect(output).toMatch(/8 rounds, 0 failures\n$/);
  }, 200_000);
});

test(
  'what the record parser lets through, mutated at random, decodes to the same bits on both paths',
  () => expect(run(`${release}/infernode-kv-record-fuzz`, '7', '100000')).toMatch(/ 0 broken\n$/),
  120_000,
);

test.runIf(has('nm'))('the shared library exports its headers and nothing else', () => {
  const header = ['infernode_kv.h', 'infernode_kv_graph.h', 'infernode_kv_stream.h']
    .map((name) => readFileSync(`${root}native/kvquant/${name}`, 'utf8'))
    .join('');
  const declared = new Set([...header.matchAll(/\b(infernode_kv_\w+)\(/g)].map(([, name]) => name));
  const symbols = execFileSync('nm', ['-D', '--defined-only', `${release}/libinfernode_kv.so`], {
    encoding: 'utf8',
  });
  const exported = [...symbols.matchAll(/ T (\w+)$/gm)].map(([, name]) => name);
  expect(new Set(exported)).toEqual(declared);
});
