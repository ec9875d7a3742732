/** The coordinator as a process: the ready line, signals, a reload that is refused, the end with its parent. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { eventually, mainFile } from '../support/running-up.js';

let directory: string;
const children: ChildProcess[] = [];
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'infernode-coordinator-'))));
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

const free = { gateway: '127.0.0.1:0', control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' };

function configure(config: object): void {
  writeFileSync(join(directory, 'coordinator.yaml'), stringify({ listen: free, ...config }));
}

interface Running {
  child: ChildProcess;
  exited: Promise<number | null>;
  log: () => string;
}

function start(...flags: string[]): Running {
  const args = [mainFile, 'coordinator', '--config', join(directory, 'coordinator.yaml'), ...flags];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  children.push(child);
  let stderr = '';
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { child, exited, log: () => stderr };
}

async function listening({ child, exited, log }: Running): Promise<Record<string, string>> {
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', resolve);
    void exited.then((code) => reject(new Error(`ended with ${code}: ${log()}`)));
  });
  return (JSON.parse(line) as { listening: Record<string, string> }).listening;
}

async function statusOf(gateway: string, model: string): Promise<number> {
  const response = await fetch(`http://${gateway}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }),
  });
  await response.text();
  return response.status;
}

it('says where it listens, reloads on SIGHUP, keeps the old configuration on error, ends on SIGTERM', async () => {
  configure({ models: { m: { aliases: ['old'] } } });
  const running = start('--ready-json');
  const { gateway = '', probe = '', ...others } = await listening(running);
  expect(Object.keys(others).sort()).toEqual(['control', 'metrics']);
  expect((await fetch(`http://${probe}/readyz`)).status).toBe(200);
  // Known without engines: 503, try again. Unknown: 404.
  expect([await statusOf(gateway, 'old'), await statusOf(gateway, 'new')]).toEqual([503, 404]);

  configure({ models: { m: { aliases: ['new'], nonsense: 1 } } });
  running.child.kill('SIGHUP');
  await eventually('the refusal is logged', () => running.log().includes('the old one stays'));
  expect(running.log()).toContain('nonsense');
  expect(await statusOf(gateway, 'old')).toBe(503);

  // Half of a file, as an editor or a copy leaves it for a moment: nothing at all, and a list that has just begun.
  const refusals = (): number => running.log().split('the old one stays').length;
  for (const half of ['', '# models\n', 'models: { m: { aliases: [ne']) {
    const before = refusals();
    writeFileSync(join(directory, 'coordinator.yaml'), half);
    running.child.kill('SIGHUP');
    await eventually('it is refused', () => refusals() > before);
    expect(await statusOf(gateway, 'old')).toBe(503);
  }

  configure({ models: { m: { aliases: ['new'] } } });
  running.child.kill('SIGHUP');
  await eventually('the alias is new', async () => (await statusOf(gateway, 'new')) === 503);
  expect(await statusOf(gateway, 'old')).toBe(404);

  running.child.kill('SIGTERM');
  expect(await running.exited).toBe(0);
});

it('ends when the pipe of its parent closes', async () => {
  configure({});
  const running = start('--ready-json', '--with-parent');
  await listening(running);
  running.child.stdin?.end();
  expect(await running.exited).toBe(0);
});

it('a signal ends it though the pipe of its parent stays open', async () => {
  configure({});
  const running = start('--ready-json', '--with-parent');
  await listening(running);
  running.child.kill('SIGTERM');
  expect(await running.exited).toBe(0);
});

it('refuses a wrong configuration with exit code 2 before anything listens', async () => {
  configure({ agent: [] });
  const running = start('--ready-json');
  expect(await running.exited).toBe(2);
  expect(running.log()).toContain('agent');
});

it('refuses an address that is taken, in words', async () => {
  configure({});
  const { probe = '' } = await listening(start('--ready-json'));
  configure({ listen: { ...free, probe } });
  const second = start('--ready-json');
  expect(await second.exited).toBe(2);
  expect(second.log()).toContain(probe);
});
