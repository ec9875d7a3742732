/**
 * `npm pack` makes a tarball that runs where there is no compiler: `npm install`ed into an empty folder, with its production
 * dependencies and nothing else, its own prebuilt parts sample simulated GPUs, keep an engine and serve a request.
 * (Needs Debian's binutils, which come with g++.)
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { UpReady } from '../../src/cli/up/up-state.js';
import { installInto } from '../support/packed-tarball.js';
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

/** As the compiler leaves it when its source has moved. */
const leftover = join(repositoryRoot, 'dist', 'moved-away.js');

beforeAll(() => {
  writeFileSync(leftover, '');
  installInto(folder);
}, 120_000);
afterAll(() => {
  rmSync(leftover, { force: true });
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

it("ships what today's sources become and nothing older", () => {
  const shipped = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' });
  const stems = shipped.flatMap((name) => /^(.*?)(?:\.d\.ts|\.js)(?:\.map)?$/.exec(name)?.[1] ?? []);
  expect(stems).toContain('main');
  expect(stems.filter((stem) => !existsSync(join(repositoryRoot, 'src', `${stem}.ts`)))).toEqual([]);
  expect(shipped).not.toContain('.tsbuildinfo');
});

it('brings a man page of its own version', () => {
  const page = readFileSync(join(installed, 'man', 'infernode.1'), 'utf8');
  expect(page).toMatch(/^\.TH INFERNODE 1 "" "infernode \d/);
});

it('has what it needs from the registry, and nothing that only developers do', () => {
  const has = (name: string) => existsSync(join(folder, 'node_modules', name));
  expect(has('@grpc/grpc-js')).toBe(true);
  expect(has('typescript') || has('vitest') || has('openai')).toBe(false);
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
