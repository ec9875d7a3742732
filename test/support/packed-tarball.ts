/** The package as `npm pack` makes it, and npm's cache filled with what it depends on. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from './source-tree.js';

const npm = (args: readonly string[], cwd: string): string =>
  execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** Packs it; its path. Packed once for all tests of a run. */
export function packedTarball(): string {
  const { version } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  const folder = join(repositoryRoot, 'build', 'package');
  const [tarball, packedBy] = [join(folder, `infernode-${version}.tgz`), join(folder, 'packed-by')];
  // The parent is the test runner, which starts one process for each test file; its number may come again for other sources.
  const stamps = ['dist/.infernode-sources', 'build/infernode-stamp'].map((file) =>
    join(repositoryRoot, file),
  );
  const run = [process.ppid, ...stamps.map((file) => readFileSync(file, 'utf8'))].join(' ');
  if (existsSync(packedBy) && readFileSync(packedBy, 'utf8') === run) return tarball;
  mkdirSync(folder, { recursive: true });
  npm(['pack', '--pack-destination', folder], repositoryRoot);
  writeFileSync(packedBy, run);
  return tarball;
}

/** `npm install TARBALL` in an empty folder, as anybody does it: what is not in npm's cache comes from the registry. */
export function installInto(folder: string, tarball = packedTarball()): void {
  npm(['init', '-y'], folder);
  npm(['install', '--prefer-offline', '--no-audit', '--no-fund', tarball], folder);
}

/** npm's cache, with everything that an installation without a network needs. */
export function npmCache(): string {
  const folder = mkdtempSync(join(tmpdir(), 'infernode-npm-'));
  installInto(folder);
  rmSync(folder, { recursive: true, force: true });
  return npm(['config', 'get', 'cache'], repositoryRoot).trim();
}
