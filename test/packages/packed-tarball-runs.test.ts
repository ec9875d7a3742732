/**
 * `npm pack` makes a tarball that runs where there is no compiler: unpacked into an empty folder, with the declared production
 * dependencies beside it and nothing else, its own prebuilt parts sample simulated GPUs, keep an engine and serve a request.
 * (Needs Debian's binutils, which come with g++.)
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { UpReady } from '../../src/cli/up/up-state.js';
import { eventually, processesOf } from '../support/running-up.js';
import { repositoryRoot } from '../support/source-tree.js';

const folder = mkdtempSync(join(tmpdir(), 'infernode-packed-'));
const installed = join(folder, 'node_modules', 'infernode');
const main = join(installed, 'dist', 'main.js');
const prebuilds = join(installed, 'prebuilds', `${process.platform}-${process.arch}`);
/** No compiler, no CMake, no shell: nothing but what is called by its path. */
const env = { PATH: join(folder, 'empty'), HOME: folder, XDG_STATE_HOME: join(folder, 'state') };

const infernode = (...args: string[]) =>
  promisify(execFile)(process.execPath, [main, ...args], { cwd: folder, env });

beforeAll(() => {
  execFileSync('npm', ['pack', '--pack-destination', folder], { cwd: repositoryRoot, stdio: 'pipe' });
  const { version, dependencies } = JSON.parse(
    readFileSync(join(repositoryRoot, 'package.json'), 'utf8'),
  ) as {
    version: string;
    dependencies: Record<string, string>;
  };
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', [
    'xzf',
    join(folder, `infernode-${version}.tgz`),
    '-C',
    installed,
    '--strip-components=1',
  ]);
  for (const name of Object.keys(dependencies)) {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(repositoryRoot, 'node_modules', name), link);
  }
});
afterAll(() => {
  for (const pid of processesOf(folder)) process.kill(pid, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

it('the install script takes the prebuild, which is of these very sources', async () => {
  const { stderr } = await promisify(execFile)(
    process.execPath,
    [join(installed, 'scripts', 'install.cjs')],
    { cwd: installed, env },
  );
  expect(stderr).toContain(`using the prebuilt native part for ${process.platform}-${process.arch}`);
});

it('every prebuilt file runs with glibc 2.28 and the libstdc++ of GCC 8', () => {
  const files = execFileSync('ls', [prebuilds], { encoding: 'utf8' }).split('\n').filter(Boolean);
  const programs = files.filter((file) => file !== 'stamp');
  expect(programs).toContain('infernode-sampler');
  for (const file of programs) {
    const symbols = execFileSync('objdump', ['-T', join(prebuilds, file)], { encoding: 'utf8' });
    const newest = (library: string) =>
      Math.max(
        ...[...symbols.matchAll(new RegExp(`${library}_\\d\\.(?:4\\.)?(\\d+)`, 'g'))].map(([, v]) =>
          Number(v),
        ),
      );
    expect(newest('GLIBC'), file).toBeLessThanOrEqual(28);
    expect(newest('GLIBCXX'), file).toBeLessThanOrEqual(25);
  }
});

it('says its version, and the doctor finds the native part', async () => {
  expect((await infernode('--version')).stdout).toMatch(/^\d+\.\d+\.\d+/);
  const findings = JSON.parse((await infernode('doctor', '--json')).stdout) as {
    check: string;
    level: string;
  }[];
  expect(findings.find(({ check }) => check === 'native build')).toMatchObject({ level: 'ok' });
});

it('the agent samples simulated GPUs and keeps an engine, the gateway serves a request', async () => {
  const up = spawn(
    process.execPath,
    [
      main,
      'up',
      '--json',
      '--simulate',
      '--gateway',
      '127.0.0.1:0',
      '--nodes',
      '1',
      '--gpus',
      '1',
      '--engines',
      '1',
    ],
    {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let log = '';
  up.stderr.on('data', (data: Buffer) => (log += data.toString()));
  const ended = new Promise<number | null>((resolve) => up.once('exit', resolve));
  const ready = await new Promise<UpReady>((resolve, reject) => {
    createInterface({ input: up.stdout }).once('line', (line) => resolve(JSON.parse(line) as UpReady));
    void ended.then((code) => reject(new Error(`infernode up ended with ${code}: ${log}`)));
  });
  const node = await eventually('an engine is ready', async () => {
    const { nodes } = JSON.parse((await infernode('status', '--json')).stdout) as {
      nodes: { devices?: { health: string }[]; engines?: { state: string }[] }[];
    };
    return nodes.find(({ engines = [] }) => engines.some(({ state }) => state === 'ready'));
  });
  expect(node.devices?.map(({ health }) => health)).toEqual(['healthy']);
  const commandLines = processesOf(folder).map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  for (const program of ['infernode-sampler', 'infernode-keeper'])
    expect(
      commandLines.some((line) => line.startsWith(join(prebuilds, program))),
      program,
    ).toBe(true);
  const answer = await fetch(`${ready.gateway}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 4 }),
    headers: { 'content-type': 'application/json' },
  });
  expect(answer.status).toBe(200);
  up.kill('SIGINT');
  expect(await ended, log).toBe(0);
});
