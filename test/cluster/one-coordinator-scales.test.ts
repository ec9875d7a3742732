/**
 * Two coordinator processes that may both act, one real agent process with simulated vLLM engines: load comes and goes, engines sleep, wake, start
 * and stop, each act done once by the one owner and written to its audit log. The owner is killed under load; the other takes over.
 * The lease lies in a real redis-server, and in a Kubernetes API surface that enforces resourceVersion.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, expect, it } from 'vitest';
import { NodeServiceClient } from '../../src/rpc/node-service-client.js';
import { FakeKubeApi } from '../support/fake-kube-api.js';
import { startRedis } from '../support/redis-server.js';
import { eventually, mainFile, processesOf } from '../support/running-up.js';
import { SimulatedGpus } from '../support/simulated-gpus.js';
import { openStream } from '../support/sse-client.js';

const model = 'meta-llama/Llama-3.1-8B-Instruct';
const any = '127.0.0.1:0';
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Member {
  child: ChildProcess;
  listening: Record<string, string>;
  /** What its audit log says of the actuator: `start gpu-a/b ok`. */
  acts: () => string[];
}

async function start(
  directory: string,
  role: 'agent' | 'coordinator',
  name: string,
  config: object,
): Promise<Member> {
  const file = join(directory, `${name}.yaml`);
  writeFileSync(file, JSON.stringify(config));
  const args = [mainFile, role, '--config', file, '--ready-json', '--with-parent'];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let log = '';
  child.stderr.on('data', (data: Buffer) => (log += data.toString()));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  closers.push(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    void exited.then(() => reject(new Error(`the ${role} ended: ${log}`)));
  });
  const { listening } = JSON.parse(line) as Pick<Member, 'listening'>;
  const acts = (): string[] =>
    log
      .split('\n')
      .filter((entry) => entry.includes('"audit":true') && entry.includes('"act":'))
      .map((entry) => JSON.parse(entry) as Record<'act' | 'endpoint' | 'result', string>)
      .map(({ act, endpoint, result }) => `${act} ${endpoint} ${result}`);
  return { child, listening, acts };
}

function startAgent(directory: string): Promise<Member> {
  const gpus = new SimulatedGpus(2);
  closers.push(() => gpus.remove());
  // Engines outlive an agent, and must not outlive the test.
  closers.push(async () => {
    await eventually('no engine is left', () => {
      const left = processesOf(directory);
      for (const pid of left) process.kill(pid, 'SIGKILL');
      return left.length === 0;
    });
  });
  const plain = {
    model,
    command: [process.execPath, mainFile, 'sim', 'engine'],
    // One request at a time, so that a few streams are a queue.
    args: ['--max-num-seqs', '1'],
    env: { INFERNODE_SIM_LOAD_MS: '50', INFERNODE_SIM_TIME_SCALE: '1' },
    drainTimeoutMs: 500,
    stopGraceMs: 3000,
  };
  return start(directory, 'agent', 'agent', {
    node: { name: 'gpu-a', machineId: 'm' },
    stateDir: join(directory, 'state'),
    listen: { control: any, probe: any, metrics: any },
    nvml: { library: gpus.libraryPath, sampleIntervalMs: 200 },
    templates: { sleeps: { ...plain, sleep: { level: 1 } }, plain },
    engines: [
      { id: 'sleeper', template: 'sleeps', devices: [0] },
      { id: 'plain', template: 'plain', devices: [1], autostart: false },
    ],
  });
}

const places: [string, () => Promise<object>][] = [
  [
    'a lock in Redis',
    async () => {
      const redis = await startRedis();
      closers.push(() => redis.close());
      return { lock: { url: redis.url, durationMs: 2000 } };
    },
  ],
  [
    'a Kubernetes Lease',
    async () => {
      const api = new FakeKubeApi();
      const server = await api.start();
      closers.push(() => api.stop());
      const directory = mkdtempSync(join(tmpdir(), 'infernode-token-'));
      closers.push(() => rmSync(directory, { recursive: true, force: true }));
      const tokenFile = join(directory, 'token');
      writeFileSync(tokenFile, api.token);
      return { lease: { server, tokenFile, namespace: 'infernode', durationMs: 2000 } };
    },
  ],
];

it.each(places)('with %s', { timeout: 120_000 }, async (_, open) => {
  const owner = await open();
  const directory = mkdtempSync(join(tmpdir(), 'infernode-scales-'));
  closers.push(() => rmSync(directory, { recursive: true, force: true }));
  const agent = await startAgent(directory);
  const node = new NodeServiceClient({ address: agent.listening['control'] ?? '' });
  closers.push(() => node.close());
  const states = async () => {
    const engines = await node.listEngines();
    return Object.fromEntries(engines.map(({ id, state }) => [id, state]));
  };
  const becomes = (sleeper: string, plain: string) =>
    eventually(`sleeper ${sleeper}, plain ${plain}`, async () => {
      const now = await states();
      return now['sleeper'] === sleeper && now['plain'] === plain;
    });
  await becomes('ready', 'stopped');

  const policy = { minReplicas: 0, queuePerReplica: 1, cooldownUpMs: 0, cooldownDownMs: 0 };
  const config = {
    listen: { gateway: any, control: any, probe: any, metrics: any },
    agents: [{ address: agent.listening['control'] }],
    // The queue alone decides.
    models: { [model]: { slo: { ttftMs: 600_000, itlMs: 600_000 } } },
    autoscaling: { intervalMs: 1000, defaults: policy, actuator: 'on', ...owner },
  };
  const coordinators = await Promise.all(
    ['one', 'two'].map((name) => start(directory, 'coordinator', name, config)),
  );
  const leads = async ({ listening }: Member): Promise<boolean> => {
    const page = await (await fetch(`http://${listening['metrics']}/metrics`)).text();
    return /^infernode_autoscaling_leader 1$/m.test(page);
  };
  const first = await eventually('one owns it', async () => {
    const leading = await Promise.all(coordinators.map(leads));
    expect(leading.filter(Boolean).length).toBeLessThan(2);
    return coordinators[leading.indexOf(true)];
  });
  const second = coordinators.find((one) => one !== first)!;

  // Nobody asks: what can sleep sleeps.
  await becomes('asleep', 'stopped');
  expect([first.acts(), second.acts()]).toEqual([['release gpu-a/sleeper ok'], []]);

  // A request at the gateway of the other one wakes an engine and fills its cache; the queue behind it makes the owner start the second.
  const ask = (content: string, maxTokens = 100_000) => {
    const messages = [{ role: 'user', content }];
    const body = { model, messages, max_tokens: maxTokens, ignore_eos: true };
    return openStream(`http://${second.listening['gateway']}`, body);
  };
  expect(await ask('word '.repeat(2000), 1).result).toMatchObject({ status: 200, endpoint: 'gpu-a/sleeper' });
  const load = Array.from({ length: 6 }, (__, i) => ask(`hello ${i}`));
  for (const { result } of load) result.catch(() => undefined);
  await becomes('ready', 'ready');
  expect(second.acts()).toEqual(['wake gpu-a/sleeper ok']);
  expect(first.acts()).toEqual(['release gpu-a/sleeper ok', 'start gpu-a/plain ok']);

  // The owner dies; the load ends. The other one takes over, and the colder of the two goes: it cannot sleep, so it drains and stops.
  first.child.kill('SIGKILL');
  for (const stream of load) stream.abort();
  await becomes('ready', 'stopped');
  expect(await leads(second)).toBe(true);
  expect(second.acts()).toEqual(['wake gpu-a/sleeper ok', 'release gpu-a/plain ok']);
});
