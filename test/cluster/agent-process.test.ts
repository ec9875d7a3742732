/**
 * `infernode agent` as a process: one JSON line when ready, SIGHUP reloads and refuses what is not valid, SIGTERM leaves the
 * engine running, a second agent is refused, and a parent that goes away takes agent and engine with it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { NodeServiceClient } from '../../src/rpc/node-service-client.js';
import { eventually, processesOf } from '../support/running-up.js';
import { SimulatedGpus } from '../support/simulated-gpus.js';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const fakeEngine = fileURLToPath(new URL('../support/fake-engine.mjs', import.meta.url));

let directory: string;
let gpus: SimulatedGpus;
const children: ChildProcess[] = [];
const clients: NodeServiceClient[] = [];
/** Engines outlive their agent, and must not outlive a test that fails. */
const enginePids: number[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infernode-process-'));
  gpus = new SimulatedGpus(1);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const child of children.splice(0)) await end(child, () => child.stdin?.end());
  for (const pid of enginePids.splice(0)) if (lives(pid)) process.kill(pid, 'SIGKILL');
  gpus.remove();
  rmSync(directory, { recursive: true, force: true });
});

const configFile = (): string => join(directory, 'agent.yaml');

function writeConfig(change: Record<string, unknown> = {}): void {
  const config = {
    node: { name: 'gpu-a', machineId: 'm' },
    stateDir: join(directory, 'state'),
    listen: { control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' },
    nvml: { library: gpus.libraryPath, sampleIntervalMs: 100 },
    templates: { chat: { model: 'm', command: [process.execPath, fakeEngine], stopGraceMs: 2000 } },
    engines: [{ id: 'a', template: 'chat', devices: [0] }],
    ...change,
  };
  writeFileSync(configFile(), JSON.stringify(config)); // JSON is YAML.
}

interface AgentProcess {
  child: ChildProcess;
  client: NodeServiceClient;
  log: () => string;
}

function launch(): { child: ChildProcess; log: () => string } {
  const child = spawn(
    process.execPath,
    [main, 'agent', '--config', configFile(), '--ready-json', '--with-parent'],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  children.push(child);
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  return { child, log: () => log };
}

async function start(): Promise<AgentProcess> {
  const { child, log } = launch();
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', resolve);
    child.once('exit', (code) => reject(new Error(`the agent ended with ${code}: ${log()}`)));
  });
  const { listening } = JSON.parse(line) as {
    listening: { control: string; probe: string; metrics: string };
  };
  expect((await fetch(`http://${listening.probe}/readyz`)).status).toBe(200);
  const client = new NodeServiceClient({ address: listening.control });
  clients.push(client);
  return { child, client, log };
}

async function end(child: ChildProcess, how: () => void): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  how();
  return ended;
}

async function readyEngine({ client }: AgentProcess): Promise<{ pid: number; incarnation: string }> {
  await eventually('the engine is ready', async () => (await client.listEngines())[0]?.state === 'ready');
  const [engine] = await client.listEngines();
  if (engine?.pid) enginePids.push(engine.pid);
  return { pid: engine?.pid ?? 0, incarnation: engine?.incarnation ?? '' };
}

function lives(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

it('SIGTERM leaves the engine running for the next agent; the end of the parent stops both', async () => {
  writeConfig();
  const first = await start();
  const engine = await readyEngine(first);
  expect(await end(first.child, () => first.child.kill('SIGTERM'))).toBe(0);
  expect(lives(engine.pid)).toBe(true);

  const second = await start();
  expect(await readyEngine(second)).toEqual(engine);
  expect(await end(second.child, () => second.child.stdin?.end())).toBe(0);
  expect(lives(engine.pid)).toBe(false);
});

it('SIGHUP takes a new threshold, and keeps the old configuration when the new one is not valid', async () => {
  writeConfig({ engines: [] });
  const { child, client, log } = await start();
  const health = async () => (await client.getNode()).state.devices[0]?.health;
  expect(await health()).toBe('healthy');

  writeConfig({ engines: [], health: { checks: { temp_gpu: { threshold: 'hot' } } } });
  child.kill('SIGHUP');
  await eventually('the agent refuses it', async () => log().includes('the old one stays'));
  expect(log()).toContain('health.checks.temp_gpu.threshold');

  writeConfig({ engines: [], health: { checks: { temp_gpu: { threshold: 1 } } } });
  child.kill('SIGHUP');
  await eventually('the new threshold holds', async () => (await health()) === 'degraded');
});

it('a second agent on the same state directory ends with exit code 2 and says why', async () => {
  writeConfig({ engines: [] });
  await start();
  const { child, log } = launch();
  const code = await new Promise((resolve) => child.once('exit', resolve));
  expect(code).toBe(2);
  expect(log()).toMatch(/in use by another agent \(pid \d+\)/);
});

it('a parent that dies during the start leaves neither agent nor engine behind', async () => {
  writeConfig();
  const { child, log } = launch();
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.stdout!.destroy();
  child.stdin!.destroy();
  expect(await exited, log()).toBe(0);
  expect(processesOf(directory)).toEqual([]);
});

it('SIGHUP during the start does not end it', async () => {
  writeConfig({ engines: [] });
  gpus.edit(({ hangs }) => hangs.push({ call: 'nvmlInit_v2' }));
  const { child, log } = launch();
  const ready = new Promise((resolve) => createInterface({ input: child.stdout! }).once('line', resolve));
  await eventually('the start waits for the driver', () => log().includes('HTTP listens'));
  child.kill('SIGHUP');
  await eventually('the signal is heard', () => log().includes('SIGHUP during the start'));
  gpus.edit(({ hangs }) => hangs.pop());
  await ready;
});

it.each([
  ['an unknown key', { nvml: { librari: 'x' } }, 'nvml.librari: unknown key; remove it'],
  [
    'a wrong type',
    { nvml: { sampleIntervalMs: 'soon' } },
    'nvml.sampleIntervalMs: expected number, got "soon"',
  ],
  [
    'an engine id given twice',
    {
      engines: [
        { id: 'a', template: 'chat', devices: [0] },
        { id: 'a', template: 'chat', devices: [1] },
      ],
    },
    'engines[1].id: duplicate engine id "a"; give each engine its own id',
  ],
  [
    'a device claimed twice',
    {
      engines: [
        { id: 'a', template: 'chat', devices: [0] },
        { id: 'b', template: 'chat', devices: [0] },
      ],
    },
    'engines[1].devices: device 0 is claimed twice',
  ],
  ['no file', null, 'cannot read the configuration file'],
])('refuses %s with exit code 2 before anything is started', async (_what, change, message) => {
  if (change) writeConfig(change);
  const { child, log } = launch();
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(2);
  expect(log()).toContain(message);
  expect(existsSync(join(directory, 'state'))).toBe(false);
});
