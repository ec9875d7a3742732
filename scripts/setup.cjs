// What `npm start` and `npm test` need, done once: dependencies, native build, compiled TypeScript. Each step is skipped
// when its inputs have not changed, so that a second run does no work twice.
'use strict';
const { spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const { existsSync, mkdirSync, readFileSync, writeFileSync } = require('node:fs');
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
const install = spawnSync(process.execPath, ['scripts/install.cjs'], { cwd: root, stdio: ['ignore', 2, 2] });
if (install.status !== 0) process.exit(install.status ?? 1);
step('compiling TypeScript', process.execPath, [
  require.resolve('typescript/bin/tsc', { paths: [root] }),
  '-p',
  'tsconfig.build.json',
]);
process.stderr.write(`infernode: ready after ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
