// Provides the native build, the cheapest way that works: a prebuild that loads, else cmake-js, else node-gyp, else
// one line that says what to install. Plain CommonJS without dependencies: npm runs it before anything else exists.
'use strict';
const { spawnSync } = require('node:child_process');
const {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} = require('node:fs');
const { createHash } = require('node:crypto');
const path = require('node:path');

const root = path.join(__dirname, '..');
const release = path.join(root, 'build', 'Release');
const prebuild = path.join(root, 'prebuilds', `${process.platform}-${process.arch}`);
const stampFile = path.join(root, 'build', 'infernode-stamp');
const lockFile = path.join(root, '.native-build.lock');
/** Of what the prebuild was made from: in a working tree whose sources moved on since `npm pack`, it is not this tree's. */
const prebuildStamp = path.join(prebuild, 'stamp');
/** Skips the prebuild, for people who work on the native part. */
const fromSource = process.argv.includes('--from-source') || process.env.INFERNODE_BUILD_FROM_SOURCE === '1';

/** Also the programs that only tests run. */
const withTests = process.argv.includes('--with-tests');
const testStampFile = path.join(root, 'build', 'infernode-tests-stamp');

const say = (line) => process.stderr.write(`infernode: ${line}\n`);
const has = (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;

/** A build that cannot be loaded (other libc, other platform) is no build: try it in a child. */
function loads(directory) {
  const addon = path.join(directory, 'infernode.node');
  return (
    existsSync(addon) &&
    spawnSync(process.execPath, ['-e', `require(${JSON.stringify(addon)})`], { stdio: 'ignore' }).status === 0
  );
}

/** Changes when a native source, a build file or the Node ABI family changes. */
function sourceStamp() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} `);
  const visit = (file) => {
    if (statSync(file).isDirectory())
      for (const name of readdirSync(file).sort()) visit(path.join(file, name));
    else hash.update(file.slice(root.length)).update(readFileSync(file));
  };
  for (const name of ['native', 'binding.gyp']) visit(path.join(root, name));
  return hash.digest('hex');
}

const isCurrent = (stamp) => existsSync(stamp) && readFileSync(stamp, 'utf8') === sourceStamp();

function run(program, args, env = {}) {
  const { status } = spawnSync(program, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...env },
  });
  return status === 0;
}

function buildWithCmakeJs() {
  const cli = path.join(path.dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
  return run(process.execPath, [
    cli,
    'compile',
    '-d',
    'native',
    '-O',
    'build',
    '--parallel',
    '2',
    '--log-level',
    'warn',
  ]);
}

function buildWithNodeGyp() {
  const gyp =
    process.env.npm_config_node_gyp ??
    path.join(
      path.dirname(process.execPath),
      '../lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js',
    );
  // Node's own prefix carries the common.gypi that node-gyp insists on; without it node-gyp would download headers.
  const prefix = path.join(path.dirname(process.execPath), '..');
  const nodedir = existsSync(path.join(prefix, 'include', 'node', 'common.gypi'))
    ? [`--nodedir=${prefix}`]
    : [];
  return existsSync(gyp) && run(process.execPath, [gyp, 'rebuild', '--jobs', '2', ...nodedir]);
}

/** Two commands started side by side must not write one build directory: the second waits, ten minutes at most. */
function withLock(work) {
  for (let waitedMs = 0; ; waitedMs += 200) {
    try {
      const lock = openSync(lockFile, 'wx');
      writeSync(lock, String(process.pid));
      closeSync(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST' || waitedMs > 600_000) throw error;
      const owner = existsSync(lockFile) ? readFileSync(lockFile, 'utf8') : '';
      if (owner && !existsSync(`/proc/${owner}`)) rmSync(lockFile, { force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  try {
    work();
  } finally {
    rmSync(lockFile, { force: true });
  }
}

function main() {
  if (!fromSource && !withTests && isCurrent(prebuildStamp) && loads(prebuild))
    return say(`using the prebuilt native part for ${process.platform}-${process.arch}`);
  withLock(() => {
    build();
    if (withTests && !process.exitCode) buildTests();
  });
}

function buildTests() {
  if (isCurrent(testStampFile)) return;
  if (!existsSync(path.join(root, 'build', 'CMakeCache.txt')))
    return say(
      'the native test programs need CMake: on Debian `apt-get install cmake`; tests of them will fail',
    );
  say('building the native test programs');
  if (run('cmake', ['--build', 'build', '--target', 'tests', '--parallel', '2']))
    writeFileSync(testStampFile, sourceStamp());
  else process.exitCode = 1;
}

function build() {
  if (isCurrent(stampFile) && loads(release)) return;
  const compiler = has('c++') || has('g++') || has('clang++');
  const ways = [
    { name: 'cmake-js', usable: compiler && has('cmake'), build: buildWithCmakeJs },
    { name: 'node-gyp', usable: compiler && has('make') && has('python3'), build: buildWithNodeGyp },
  ].filter(
    (way) =>
      way.usable && (!process.env.INFERNODE_BUILD_WITH || process.env.INFERNODE_BUILD_WITH === way.name),
  );
  const [way] = ways;
  if (way) {
    say(`building the native part with ${way.name} (about a minute)`);
    if (way.build() && loads(release)) {
      mkdirSync(path.dirname(stampFile), { recursive: true });
      writeFileSync(stampFile, sourceStamp());
      return say(
        way.name === 'node-gyp'
          ? 'native part built, all but the programs that only tests run: those need CMake'
          : 'native part built',
      );
    }
    // No second way behind a failed first one: node-gyp begins by wiping the build directory, and the error above is the news.
    say(`the ${way.name} build failed; the lines above say why`);
    process.exitCode = 1;
    return;
  }
  say(
    'the native part needs a C++17 compiler and CMake: on Debian `apt-get install g++ make cmake`, then `npm run build:native`',
  );
  // A coordinator runs without it, so installing the package goes on; set-up and build commands do not.
  process.exitCode = process.env.npm_lifecycle_event === 'install' ? 0 : 1;
}

main();
