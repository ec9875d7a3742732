/**
 * Where CMake is absent the install script builds with node-gyp: every file that is shipped comes out of it, exports what the other
 * build's exports, and works. In a copy of the sources, because node-gyp begins by wiping its build directory. (Needs make and python3.)
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { repositoryRoot } from '../support/source-tree.js';

const folder = mkdtempSync(join(tmpdir(), 'infernode-gyp-'));
const release = join(folder, 'build', 'Release');
const simulator = join(release, 'libinfernode_cuda_sim.so');
let said = '';

beforeAll(() => {
  for (const name of ['native', 'binding.gyp', 'package.json', 'scripts'])
    cpSync(join(repositoryRoot, name), join(folder, name), { recursive: true });
  symlinkSync(join(repositoryRoot, 'node_modules'), join(folder, 'node_modules'));
  const { stderr, status } = spawnSync(process.execPath, ['scripts/install.cjs', '--from-source'], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, INFERNODE_BUILD_WITH: 'node-gyp' },
    maxBuffer: 64 * 1024 * 1024,
  });
  said = stderr;
  expect(status, stderr.slice(-4000)).toBe(0);
}, 900_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The list of what a package ships, which is all that runs. */
const shipped = [
  .../^const files = \[([^]*?)\];/m
    .exec(readFileSync(join(repositoryRoot, 'scripts', 'prepack.cjs'), 'utf8'))![1]!
    .matchAll(/'(.+?)'/g),
].map(([, name]) => name!);

it('builds every file that is shipped, and says what it leaves out', () => {
  expect(shipped).toContain('infernode-keeper');
  expect(shipped.filter((name) => !existsSync(join(release, name)))).toEqual([]);
  expect(said).toContain('all but the programs that only tests run: those need CMake');
});

const exportsOf = (directory: string, name: string): string[] =>
  [
    ...execFileSync('nm', ['-D', '--defined-only', join(directory, name)], { encoding: 'utf8' }).matchAll(
      / T (\w+)$/gm,
    ),
  ].map(([, symbol]) => symbol!);

it.each(shipped.filter((name) => name.startsWith('lib')))('%s exports the same', (name) => {
  const expected = exportsOf(join(repositoryRoot, 'build', 'Release'), name);
  expect(expected.length).toBeGreaterThan(10);
  expect(exportsOf(release, name)).toEqual(expected);
});

it('the addon has the same exports', () => {
  const keys = (addon: string): string =>
    execFileSync(process.execPath, ['-p', `Object.keys(require(${JSON.stringify(addon)})).join()`], {
      encoding: 'utf8',
    });
  expect(keys(join(release, 'infernode.node'))).toBe(
    keys(join(repositoryRoot, 'build', 'Release', 'infernode.node')),
  );
});

it('the KV kernels give the bits of the reference, and the probe passes, over its simulated driver', () => {
  const run = (name: string, ...args: string[]): string =>
    execFileSync(join(release, name), args, { encoding: 'utf8' });
  expect(run('infernode-kv-gpu-check', '--library', simulator, '--rounds', '1', '--out', folder)).toContain(
    '100 cases, 0 failures',
  );
  expect(run('infernode-probe', '--device', '0', '--library', simulator)).toContain('"verdict":"pass"');
  expect(run('infernode-kv-bench', '--mib', '1', '--repeats', '1', '--formats', 'int8_head')).toContain(
    '"int8_head"',
  );
}, 120_000);
