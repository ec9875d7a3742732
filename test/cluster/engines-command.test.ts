// `infernode engines ...` as an operator types it, against the agent of a running `infernode up` with simulated vLLM: what it
// prints, what becomes of the engine, and the exit codes of what cannot be done. The agent plans for its own devices too.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runAgent, type RunningAgent } from '../../src/agent.js';
import { agentSchema } from '../../src/config/agent-config.js';
import type { EngineStatus } from '../../src/domain/engine.js';
import { NodeServiceClient } from '../../src/rpc/node-service-client.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { createSimulatedNode } from '../../src/sim/gpu-scenario.js';
import { eventually, mainFile, startUp, type RunningUp } from '../support/running-up.js';

let up: RunningUp;
/** For what becomes of the engines; what is typed goes through the command. */
let agent: NodeServiceClient;
beforeAll(async () => {
  up = await startUp();
  agent = new NodeServiceClient({ address: up.ready.agents[0]!.grpc });
}, 120_000);
afterAll(async () => {
  agent?.close();
  await up?.interrupt();
});

const engines = (...args: string[]) => up.infernode('engines', ...args);

const reaches = (id: string, state: string, incarnation: string): Promise<EngineStatus> =>
  eventually(
    `${id} is ${state}`,
    async () =>
      (await agent.listEngines()).find(
        (engine) => engine.id === id && engine.state === state && engine.incarnation === incarnation,
      ),
    60_000,
  );

const firstEngine = async (): Promise<EngineStatus> => (await agent.listEngines())[0]!;

describe('infernode engines', { timeout: 120_000 }, () => {
  it('lists every engine with model, state and run', async () => {
    const { id } = await firstEngine();
    await reaches(id, 'ready', '1');
    const { code, stdout } = await engines();
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^${id} +\\S+ +ready +run 1 +0 running, 0 waiting`, 'm'));
    const document = JSON.parse((await engines('list', '--json')).stdout) as EngineStatus[];
    expect(document.find((engine) => engine.id === id)).toMatchObject({ state: 'ready', incarnation: '1' });
  });

  it('restarts: drained, and ready again with the next run', async () => {
    const { id } = await firstEngine();
    const { code, stdout } = await engines('restart', id, '--deadline', '0');
    expect([code, stdout]).toEqual([0, expect.stringMatching(new RegExp(`^${id}: draining, restart`))]);
    expect(await reaches(id, 'ready', '2')).toMatchObject({ restarts: 0 });
  });

  it('tells the end of the log, of an earlier run too', async () => {
    const { id } = await firstEngine();
    for (const args of [[], ['--run', '1']]) {
      const { code, stdout } = await engines('logs', id, ...args);
      expect(code).toBe(0);
      expect(stdout).toContain('Application startup complete.');
    }
    const none = await engines('logs', id, '--run', '77');
    expect(none.code).not.toBe(0);
    expect(none.stderr).toMatch(/77/);
  });

  it('says why an engine died', async () => {
    const { id, pid } = await firstEngine();
    expect((await engines('why', id)).stdout).toContain('it has not died unasked');
    process.kill(pid!, 'SIGKILL');
    await reaches(id, 'ready', '3');
    const { stdout } = await engines('why', id);
    expect(stdout).toMatch(/run 2/);
    expect(stdout).toMatch(/killed/);
    expect(stdout).toMatch(/end: \w+ in .*tree-empty/);
    const document = JSON.parse((await engines('why', id, '--json')).stdout) as { deaths: unknown[] };
    expect(document.deaths).toHaveLength(1);
  });

  it('drains, stops and starts', async () => {
    const { id } = await firstEngine();
    expect((await engines('drain', id, '--deadline', '5')).stdout).toMatch(/: draining, drain requested/);
    await reaches(id, 'stopped', '3');
    const again = await engines('drain', id);
    expect(again.code).not.toBe(0);
    expect(again.stderr).toMatch(/is stopped/);
    expect((await engines('start', id)).code).toBe(0);
    await reaches(id, 'ready', '4');
    expect((await engines('stop', id)).code).toBe(0);
    await reaches(id, 'stopped', '4');
  });

  it('follows a log until the next start, and until Ctrl-C', async () => {
    const { id } = await firstEngine();
    await engines('start', id);
    await reaches(id, 'ready', '5');
    const follow = () => {
      const child = spawn(process.execPath, [
        mainFile,
        'engines',
        'logs',
        '-f',
        id,
        '--agent',
        agent.address,
      ]);
      let text = '';
      child.stdout.on('data', (data: Buffer) => (text += data.toString()));
      const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
      return {
        child,
        ended,
        said: (what: string) => eventually(`the log says ${what}`, () => text.includes(what)),
      };
    };
    const first = follow();
    await first.said('Application startup complete.');
    await engines('restart', id, '--deadline', '0');
    await first.said('[shutdown]');
    expect(await first.ended).toBe(0);
    await reaches(id, 'ready', '6');
    const second = follow();
    await second.said('Application startup complete.');
    second.child.kill('SIGINT');
    expect(await second.ended).toBe(0);
    await engines('stop', id);
    await reaches(id, 'stopped', '6');
  });

  it.each([
    [['start', 'nobody'], /nobody/],
    [['sleep', 'engine-1'], /its template has no `sleep`; set `sleep: \{ level: 1 \}` and restart it/],
    [['wake', 'engine-1'], /engine-1/],
    [['sleep', 'engine-1', '--level', '3'], /expected --level to be a whole number from 1 to 2, got "3"/],
    [['logs', 'nobody', '-f'], /nobody/],
    [['start', 'nobody', '--template', 'no-such'], /no-such/],
    [['stop', 'nobody'], /nobody/],
    [['drain', 'nobody', '--deadline', 'soon'], /expected --deadline to be a whole number/],
  ])('refuses %j with a reason', async (args, reason) => {
    const { code, stderr } = await engines(...args);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(reason);
  });
});

it('plans for the devices that the agent sees', async () => {
  const plan = await agent.plan({ model: 'llama-3.1-8b' });
  expect(plan).toMatchObject({ tensorParallelSize: 1, kvBytesPerToken: { auto: 131_072 } });
  expect(plan.command.slice(1, 3)).toEqual(['serve', 'meta-llama/Meta-Llama-3.1-8B']);
  await expect(agent.plan({ model: 'no-such-model' })).rejects.toMatchObject({ code: 'argument-invalid' });
});

describe('sleep and wake', { timeout: 120_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'infernode-sleep-'));
  let node: RunningAgent;
  let client: NodeServiceClient;
  const type = (...args: string[]) => up.infernode('engines', ...args, '--agent', client.address);
  const becomes = (state: string) =>
    eventually(`chat-0 is ${state}`, async () =>
      (await client.listEngines()).find((one) => one.state === state),
    );

  beforeAll(async () => {
    const gpus = join(directory, 'gpu');
    const { libraryPath } = createSimulatedNode(gpus, { gpus: 1, profile: 'H100-80', seed: 1 });
    const command = [process.execPath, mainFile, 'sim', 'engine'];
    const env = { INFERNODE_SIM_NODE_DIR: gpus, INFERNODE_SIM_LOAD_MS: '200' };
    const chat = { model: 'm/llama-8b', command, env, sleep: { level: 1 }, stopGraceMs: 2000 };
    const config = agentSchema.parse({
      node: { name: 'gpu-s', machineId: 's' },
      stateDir: join(directory, 'state'),
      listen: { control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' },
      nvml: { library: libraryPath, sampleIntervalMs: 200 },
      kmsg: { path: null },
      templates: { chat },
      engines: [{ id: 'chat-0', template: 'chat', devices: [0] }],
    });
    node = await runAgent(config, { clock: systemClock, logger: silentLogger(), version: '0' });
    client = new NodeServiceClient({ address: node.addresses.control });
    await becomes('ready');
  });
  afterAll(async () => {
    client?.close();
    await node?.close({ stopEngines: true });
    rmSync(directory, { recursive: true, force: true });
  });

  const usedBytes = async () => (await client.getNode()).state.devices[0]?.reading.memoryUsedBytes ?? 0;

  it.each(['1', '2'])('level %s gives the memory back, and waking takes it again', async (level) => {
    const held = await eventually('the driver shows its memory', async () => {
      const bytes = await usedBytes();
      return bytes > 10 * 1024 ** 3 && bytes;
    });
    const { code, stdout } = await type('sleep', 'chat-0', '--level', level);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^chat-0: draining/)]);
    const { reason, pid } = await becomes('asleep');
    expect(reason).toMatch(level === '1' ? /host memory/ : /dropped/);
    await eventually('the driver shows it free', async () => (await usedBytes()) < held / 4);
    expect((await type()).stdout).toMatch(/^chat-0 +\S+ +asleep/m);
    const again = await type('sleep', 'chat-0');
    expect(again.code).not.toBe(0);
    expect(again.stderr).toMatch(/asleep/);
    expect((await type('wake', 'chat-0')).code).toBe(0);
    // The same process, and no new start.
    expect(await becomes('ready')).toMatchObject({ pid, incarnation: '1', restarts: 0 });
    await eventually('the driver shows its memory again', async () => (await usedBytes()) >= held * 0.9);
  });
});
