// Run by `npm pack` and `npm publish`: writes the man page, and what the package needs where there is no compiler goes to prebuilds/<platform>-<arch>/,
// without debug symbols and only if it runs wherever Node 20 does. scripts/install.cjs and src/native/native-paths.ts find it there.
'use strict';
const { spawnSync } = require('node:child_process');
const { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const release = path.join(root, 'build', 'Release');
const prebuild = path.join(root, 'prebuilds', `${process.platform}-${process.arch}`);

/** As `NativeFile` in src/native/native-paths.ts, and the library for C programs. */
const files = [
  'infernode.node',
  'infernode-keeper',
  'infernode-kv-bench',
  'infernode-kv-gpu-check',
  'infernode-kv-vectors',
  'infernode-probe',
  'infernode-sampler',
  'libinfernode_cuda_sim.so',
  'libinfernode_kv.so',
  'libinfernode_nvml_sim.so',
];

/** Of the oldest systems that Node 20's own binaries run on: RHEL 8 and Debian 10 (glibc 2.28, libstdc++ of GCC 8). */
const newest = { GLIBC: [2, 28], GLIBCXX: [3, 4, 25], CXXABI: [1, 3, 11] };

function fail(line) {
  process.stderr.write(`infernode: ${line}\n`);
  process.exit(1);
}

function run(program, args) {
  const { status, stdout, error } = spawnSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 2],
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) fail(`"${program} ${args.join(' ')}" failed${error ? `: ${error.message}` : ''}`);
  return stdout;
}

function isNewer(version, limit) {
  for (const [index, part] of version.entries())
    if (part !== (limit[index] ?? 0)) return part > (limit[index] ?? 0);
  return false;
}

/** `name@version` of each symbol that the oldest systems lack. */
function tooNew(file) {
  const symbols = run('objdump', ['-T', file]).matchAll(
    /\((GLIBC|GLIBCXX|CXXABI)_([\d.]+)\)\s+(\S+)|\b(GLIBC|GLIBCXX|CXXABI)_([\d.]+)\s+(\S+)/g,
  );
  return [...symbols]
    .map(([, a, b, c, d, e, f]) => ({ library: a ?? d, version: b ?? e, name: c ?? f }))
    .filter(({ library, version }) => isNewer(version.split('.').map(Number), newest[library]))
    .map(({ library, version, name }) => `${name}@${library}_${version}`);
}

/** The compiler leaves what earlier sources became; nothing of that is shipped. */
function removeLeftovers() {
  for (const name of readdirSync(path.join(root, 'dist'), { recursive: true })) {
    const [, stem] = /^(.*?)(?:\.d\.ts|\.js)(?:\.map)?$/.exec(name) ?? [];
    if (stem === undefined) continue;
    const isSource = ['.ts', '.d.ts'].some((suffix) => existsSync(path.join(root, 'src', stem + suffix)));
    if (!isSource) rmSync(path.join(root, 'dist', name));
  }
}

// First, or the set-up takes the prebuild of an earlier pack and builds nothing.
rmSync(path.join(root, 'prebuilds'), { recursive: true, force: true });
run(process.execPath, [path.join(__dirname, 'setup.cjs')]);
removeLeftovers();
run(process.execPath, [path.join(__dirname, 'write-man-page.mjs')]);
mkdirSync(prebuild, { recursive: true });
for (const file of files) {
  const target = path.join(prebuild, file);
  copyFileSync(path.join(release, file), target);
  run('strip', ['--strip-unneeded', target]);
  const missing = tooNew(target);
  if (missing.length > 0)
    fail(
      `expected ${file} to run with glibc 2.28 and GCC 8's libstdc++, got ${missing.join(', ')}; bind them in native/abi/old_libc.cc`,
    );
}
copyFileSync(path.join(root, 'build', 'infernode-stamp'), path.join(prebuild, 'stamp'));
