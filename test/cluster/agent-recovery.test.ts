/**
 * Faults from the kernel log and what becomes of them, with a whole agent over the simulated NVML library: an Xid that NVML never told is
 * explained by its line; a wanted reset runs in its full order and brings the engine back; a dry run only says it; the driver is released
 * for an upgrade and taken back. Everything here is simulated, the processes are real.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runAgent } from '../../src/agent.js';
import { agentSchema } from '../../src/config/agent-config.js';
import { renderExplanation } from '../../src/cli/explain-command.js';
import { renderStatus } from '../../src/cli/status-table.js';
import type { HistoryEntry } from '../../src/domain/history.js';
import type { NodeState } from '../../src/domain/node-state.js';
import { kernelLogChecks } from '../../src/health/kernel-log-checks.js';
import { NodeServiceClient } from '../../src/rpc/node-service-client.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { appendKernelLog, kernelLogFile, xidLine } from '../../src/sim/kernel-log.js';
import { eventually, mainFile } from '../support/running-up.js';
import { SimulatedGpus } from '../support/simulated-gpus.js';

const fakeEngine = new URL('../support/fake-engine.mjs', import.meta.url).pathname;

let stateDir: string;
let gpus: SimulatedGpus;
const closers: (() => Promise<void> | void)[] = [];
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'infernode-agent-'));
  gpus = new SimulatedGpus(2);
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  gpus.remove();
  rmSync(stateDir, { recursive: true, force: true });
});

async function startAgent(actions: Record<string, unknown> = {}, kmsg: string | null = kernelLog()) {
  const config = agentSchema.parse({
    node: { name: 'gpu-a', machineId: 'm' },
    stateDir,
    listen: { control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' },
    nvml: { library: gpus.libraryPath, sampleIntervalMs: 100, callDeadlineMs: 2000, drill: true },
    kmsg: { path: kmsg },
    health: { actions },
    templates: { chat: { model: 'm', command: [process.execPath, fakeEngine], stopGraceMs: 2000 } },
    engines: [{ id: 'a', template: 'chat', devices: [0] }],
  });
  const agent = await runAgent(config, { clock: systemClock, logger: silentLogger(), version: '0' });
  const client = new NodeServiceClient({ address: agent.addresses.control });
  closers.push(
    () => agent.close({ stopEngines: true }),
    () => client.close(),
  );
  const until = (what: string, holds: (state: NodeState) => boolean) =>
    eventually(what, async () => holds((await client.getNode()).state));
  await until('the engine is ready', ({ engines }) => engines[0]?.state === 'ready');
  const events = (): Promise<HistoryEntry[]> =>
    new Promise((resolve, reject) => {
      const entries: HistoryEntry[] = [];
      client.watchEvents(
        { afterSeq: 0, follow: false },
        {
          onEntry: (entry) => entries.push(entry),
          onEnd: (error) => (error ? reject(error) : resolve(entries)),
        },
      );
    });
  return { agent, client, until, events };
}

const kernelLog = (): string => join(gpus.directory, kernelLogFile);

function logXid(code: number): string {
  let line = '';
  gpus.edit(({ devices }) => (line = xidLine(devices[0]!, code)));
  appendKernelLog(gpus.directory, line);
  return line;
}

/** A reset command of the operator: checks that nobody has the library open, and says which device it was given. */
function resetCommand(answer = 0): { command: string[]; record: string } {
  const script = join(stateDir, 'reset.mjs');
  const record = join(stateDir, 'reset.json');
  writeFileSync(
    script,
    `import { writeFileSync } from 'node:fs';
     const { INFERNODE_ACTION: action, INFERNODE_DRILL: drill, INFERNODE_SECRET: secret = null } = process.env;
     writeFileSync(${JSON.stringify(record)}, JSON.stringify({ argv: process.argv.slice(2), action, drill, secret }));
     process.exit(${answer});`,
  );
  return { command: [process.execPath, script, '{uuid}', '--index={index}'], record };
}

it('an Xid that only the kernel log tells isolates the device, and explain shows its line; a restart remembers', async () => {
  const { agent, client, until } = await startAgent();
  const line = logXid(79);
  await until('the device is unhealthy', ({ devices }) => devices[0]?.health === 'unhealthy');
  await until('the engine is down', ({ engines }) => engines[0]?.pid === null);
  const explained = await client.explainDevice('0');
  expect(explained.device).toMatchObject({ action: 'reboot-node', cordons: [{ holder: 'health:xid' }] });
  expect(explained.conditions).toMatchObject([
    { basis: 'catalogue', evidence: [line], condition: { drill: true } },
  ]);
  expect(explained.conditions[0]!.clearsWhen).toMatch(/reboot/);
  expect(explained.history.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(['fault', 'health', 'engine']),
  );
  const incident = await client.getIncident(explained.conditions[0]!.incident!);
  expect(incident).toMatchObject({ xid: 79, device: gpus.uuids[0], drill: true });
  await agent.close();
  closers.length = 0;

  const config = agentSchema.parse({
    node: { name: 'gpu-a', machineId: 'm' },
    stateDir,
    listen: { control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' },
    nvml: { library: gpus.libraryPath, sampleIntervalMs: 100, drill: true },
    kmsg: { path: join(gpus.directory, kernelLogFile) },
  });
  const again = await runAgent(config, { clock: systemClock, logger: silentLogger(), version: '0' });
  const reader = new NodeServiceClient({ address: again.addresses.control });
  closers.push(
    () => again.close({ stopEngines: true }),
    () => reader.close(),
  );
  const after = await reader.explainDevice('0');
  expect(after.device.health).toBe('unhealthy');
  expect(after.history.filter(({ kind, xid }) => kind === 'fault' && xid === 79)).toHaveLength(1);
  const left = await reader.acknowledgeCondition({ device: '0', check: 'xid', holder: 'operator:test' });
  expect(left).toEqual([]);
  // What this host has no source for is said on gRPC as in the metrics, whatever host runs the test.
  await eventually('the same checks of the node are unsupported in both', async () => {
    const page = await (await fetch(`http://${again.addresses.metrics}/metrics`)).text();
    const series = page.matchAll(
      /^infernode_device_check_unsupported\{node="[^"]*",device="",check="(\w+)"\} 1/gm,
    );
    const shown = [...series].map(([, check]) => check).sort();
    return shown.length > 0 && shown.join() === (await reader.unsupportedNodeChecks()).sort().join();
  });
});

it('without a kernel log, what only it can tell is unsupported wherever somebody looks, and a device as healthy as before', async () => {
  const { agent, client } = await startAgent({}, null);
  const { device, node } = kernelLogChecks({});
  let state!: NodeState;
  await eventually('the checks are named', async () => {
    ({ state } = await client.getNode());
    return state.unsupportedChecks.includes('hung_task');
  });
  expect(state.unsupportedChecks).toEqual(expect.arrayContaining(node));
  expect(state.devices[1]).toMatchObject({ health: 'healthy', conditions: [] });
  expect(state.devices[1]!.unsupportedChecks).toEqual(expect.arrayContaining(device));

  const watch = { address: '', watch: 'watching', reason: '', state } as const;
  const status = renderStatus({ nodes: [watch], endpoints: [], models: [], foreignChains: [] } as never);
  expect(status).toMatch(/node {2}checks unsupported here: .*hung_task/);
  expect(renderExplanation(await client.explainDevice('1'))).toMatch(
    /checks unsupported here: .*fallen_off_log/,
  );
  const page = await (await fetch(`http://${agent.addresses.metrics}/metrics`)).text();
  for (const [uuid, checks] of [
    [gpus.uuids[1], device],
    ['', node],
  ] as const)
    for (const check of checks)
      expect(page).toContain(
        `infernode_device_check_unsupported{node="gpu-a",device="${uuid}",check="${check}"} 1`,
      );
});

it('events --follow, typed against this agent, tells what has been and what comes, and ends with Ctrl-C', async () => {
  const { agent } = await startAgent();
  const child = spawn(process.execPath, [
    ...[mainFile, 'events', '--follow', '--json'],
    ...['--agent', agent.addresses.control],
  ]);
  closers.push(() => void child.kill('SIGKILL'));
  let text = '';
  child.stdout.on('data', (data: Buffer) => (text += data.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const heard = (what: string, holds: (entry: HistoryEntry) => boolean) =>
    eventually(what, () =>
      text
        .split('\n')
        .slice(0, -1)
        .some((line) => holds(JSON.parse(line) as HistoryEntry)),
    );
  await heard('the start of the engine', ({ kind, reason }) => kind === 'engine' && /is ready/.test(reason));
  const line = logXid(94);
  await heard(
    'the fault, with its line',
    ({ xid, evidence, drill }) => xid === 94 && evidence === line && drill,
  );
  child.kill('SIGINT');
  expect(await ended).toBe(0);
});

it('a wanted reset drains, lets go of the driver, runs the command, probes, and the engine is back', async () => {
  const { command, record } = resetCommand();
  process.env['INFERNODE_SECRET'] = 'x';
  closers.push(() => void delete process.env['INFERNODE_SECRET']);
  const { until, events } = await startAgent({ resetDevice: 'on', resetCommand: command });
  logXid(95);
  await eventually('the reset is done', async () =>
    (await events()).some(({ reason }) => /reset-device, done/.test(reason)),
  );
  expect(JSON.parse(readFileSync(record, 'utf8'))).toEqual({
    argv: [gpus.uuids[0], '--index=0'],
    action: 'reset-device',
    drill: '1',
    secret: null,
  });
  await until('healthy, without cordon, with its engine', ({ devices, engines }) => {
    const device = devices[0]!;
    return device.health === 'healthy' && device.cordons.length === 0 && engines[0]?.state === 'ready';
  });
  const kinds = (await events()).map(({ kind }) => kind);
  expect(kinds).toEqual(expect.arrayContaining(['fault', 'health', 'engine', 'cleared', 'action']));
});

it('a reset command that fails leaves the device out of service, and the driver is open again', async () => {
  const { command } = resetCommand(3);
  const { until, events } = await startAgent({ resetDevice: 'on', resetCommand: command });
  logXid(95);
  await eventually('it failed', async () =>
    (await events()).some(({ reason }) => /at step command: .*exit code 3/.test(reason)),
  );
  await until('the driver is open', ({ driver }) => driver.state === 'ok');
});

it('a dry run says what it would do and does nothing', async () => {
  const { command, record } = resetCommand();
  const { events, until, client } = await startAgent({ resetDevice: 'dry-run', resetCommand: command });
  logXid(95);
  await eventually('it is said', async () =>
    (await events()).some(({ kind, reason }) => kind === 'action' && reason.includes(`--index=0`)),
  );
  await until('the device is out of service', ({ devices }) => devices[0]?.health === 'unhealthy');
  expect(existsSync(record)).toBe(false);
  expect((await client.explainDevice('0')).plan).toMatch(/^would drain/);
});

it('the driver is released for an upgrade: engines stopped, NVML closed; acquired, all is as before', async () => {
  const { client, until } = await startAgent();
  expect(await client.releaseDriver(2000)).toMatchObject({ state: 'released' });
  const { state } = await client.getNode();
  expect(state.driver.state).toBe('released');
  expect(state.engines[0]).toMatchObject({ state: 'stopped', pid: null });
  expect(state.devices.map(({ cordons }) => cordons[0]?.holder)).toEqual([
    'driver-release',
    'driver-release',
  ]);
  expect(await client.acquireDriver()).toMatchObject({ state: 'ok' });
  await until('in service', ({ devices, engines }) => {
    return (
      devices.every(({ cordons, health }) => cordons.length === 0 && health === 'healthy') &&
      engines[0]?.state === 'ready'
    );
  });
});
