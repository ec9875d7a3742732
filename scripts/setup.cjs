// What `npm start` and `npm test` need, done once: dependencies, native build, compiled TypeScript. Each step is skipped
// when its inputs have not changed, so that a second run does no work twice.
'use strict';
const { spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const started = Date.now();

function step(title, command, args) {
  process.stderr.write(`infernode: ${title}\n`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) {
    process.stderr.write(`infernode: "${command} ${args.join(' ')}" failed; the lines above say why\n`);
    process.exit(status ?? 1);
  }
}

/** Of the contents of files and folders, so that a check-out that changes only times changes nothing. */
function hashOf(names, seed) {
  const hash = createHash('sha256').update(seed);
  const visit = (file) => {
    if (statSync(file).isDirectory())
      for (const name of readdirSync(file).sort()) visit(path.join(file, name));
    else hash.update(file.slice(root.length)).update(readFileSync(file));
  };
  for (const name of names) visit(path.join(root, name));
  return hash.digest('hex');
}

const lock = createHash('sha256')
  .update(readFileSync(path.join(root, 'package-lock.json')))
  .digest('hex');
const lockStamp = path.join(root, 'node_modules', '.infernode-lock');
if (!existsSync(lockStamp) || readFileSync(lockStamp, 'utf8') !== lock) {
  // The native part is built by the next step, where its progress is seen; npm hides what install scripts print.
  step('installing dependencies (npm ci)', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
  mkdirSync(path.dirname(lockStamp), { recursive: true });
  writeFileSync(lockStamp, lock);
}
const install = spawnSync(process.execPath, ['scripts/install.cjs', ...process.argv.slice(2)], {
  cwd: root,
  stdio: ['ignore', 2, 2],
});
if (install.status !== 0) process.exit(install.status ?? 1);
const sources = hashOf(['src', 'tsconfig.json', 'tsconfig.build.json'], lock);
const sourceStamp = path.join(root, 'dist', '.infernode-sources');
if (!existsSync(sourceStamp) || readFileSync(sourceStamp, 'utf8') !== sources) {
  step('compiling TypeScript', process.execPath, [
    require.resolve('typescript/bin/tsc', { paths: [root] }),
    '-p',
    'tsconfig.build.json',
  ]);
  writeFileSync(sourceStamp, sources);
}
process.stderr.write(`infernode: ready after ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
