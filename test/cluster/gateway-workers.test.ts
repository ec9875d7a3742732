/**
 * `gateway.workers: 2`: a real coordinator process with two gateway workers, before a fake agent (real gRPC) and a scripted
 * engine. They share a listening socket, one view of the work in flight and one count of the limits; one that is killed costs
 * its own streams and is replaced; all of it drains.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ClusterServiceClient } from '../../src/rpc/cluster-service-client.js';
import { PlacementServiceClient } from '../../src/rpc/placement-service-client.js';
import { FakeAgent } from '../support/fake-agent.js';
import { aDeviceStatus, anEngineStatus } from '../support/node-fixtures.js';
import { eventually, mainFile } from '../support/running-up.js';
import {
  answerJson,
  answerStream,
  chunkEvent,
  ScriptedEngine,
  startEvents,
  type EngineCall,
} from '../support/scripted-engine.js';

let directory: string;
const closers: (() => unknown)[] = [];
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'infernode-workers-'))));
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(directory, { recursive: true, force: true });
});

const bearer = 'the-key';
const sha256 = createHash('sha256').update(bearer).digest('hex');

interface Running {
  child: ChildProcess;
  exited: Promise<number | null>;
  engine: ScriptedEngine;
  agent: FakeAgent;
  placement: PlacementServiceClient;
  log: () => string;
  gateway: string;
  inFlight: () => Promise<number>;
  metric: (name: string) => Promise<number>;
  workers: () => number[];
}

const keysFile = (): string => join(directory, 'keys.yaml');

async function start(
  maxConcurrentRequests: number,
  requestsPerMinute = 1000,
  status: Parameters<typeof anEngineStatus>[1] = {},
): Promise<Running> {
  const engine = await ScriptedEngine.start();
  const engines = [anEngineStatus('chat-0', { url: engine.url, maxConcurrentRequests, ...status })];
  const agent = await new FakeAgent({ devices: [aDeviceStatus(0)], engines }).start();
  closers.push(
    () => engine.close(),
    () => agent.stop(),
  );
  writeFileSync(keysFile(), JSON.stringify({ keys: [{ id: 'a', sha256, requestsPerMinute }] }));
  const file = join(directory, 'coordinator.yaml');
  const any = '127.0.0.1:0';
  writeFileSync(
    file,
    JSON.stringify({
      listen: { gateway: any, control: any, probe: any, metrics: any },
      agents: [{ address: agent.address }],
      gateway: { workers: 2, keys: { file: keysFile() } },
    }),
  );
  const child = spawn(process.execPath, [mainFile, 'coordinator', '--config', file, '--ready-json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, INFERNODE_LOG_LEVEL: 'info' },
  });
  let log = '';
  child.stderr.on('data', (part: Buffer) => (log += part.toString()));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  closers.push(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    void exited.then((code) => reject(new Error(`the coordinator ended with ${code}: ${log}`)));
  });
  const { listening } = JSON.parse(line) as { listening: Record<'gateway' | 'control' | 'metrics', string> };
  const client = new ClusterServiceClient({ address: listening.control });
  const placement = new PlacementServiceClient({ address: listening.control });
  closers.push(
    () => client.close(),
    () => placement.close(),
  );
  return {
    child,
    exited,
    engine,
    agent,
    placement,
    log: () => log,
    gateway: listening.gateway,
    inFlight: async () => (await client.getCluster()).endpoints[0]?.inFlight ?? -1,
    metric: async (name) => {
      const text = await (await fetch(`http://${listening.metrics}/metrics`)).text();
      return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? 'NaN');
    },
    workers: () => childrenOf(child.pid ?? 0),
  };
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

const hello = { model: 'model', stream: true, messages: [{ role: 'user', content: 'Hello' }] };

/** Each agent has connections of its own; whichever worker is awake takes a new one. */
function chat(address: string, agent: Agent): Promise<{ status: number; text: string }> {
  const [host = '', port = ''] = address.split(':');
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${bearer}` };
    const call = request(
      { host, port, agent, method: 'POST', path: '/v1/chat/completions', headers },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text })).on('error', reject);
      },
    );
    call.on('error', reject);
    call.end(JSON.stringify(hello));
  });
}

it('the hard cap holds across workers, and an end at one lets a request at the other go on', async () => {
  const { gateway, engine, inFlight, metric } = await start(2);
  const agents = [new Agent(), new Agent(), new Agent(), new Agent()];
  const first = agents.slice(0, 2).map((agent) => chat(gateway, agent));
  const calls = [await engine.nextCall(), await engine.nextCall()];
  await eventually('both are known to the parent', async () => (await inFlight()) === 2);
  const more = agents.slice(2).map((agent) => chat(gateway, agent));
  await eventually(
    'both workers let theirs wait',
    async () => (await metric('infernode_gateway_queued_requests')) === 2,
  );
  expect(engine.calls).toHaveLength(2);
  engine.script = answerStream;
  for (const call of calls) answerStream(call);
  const answers = await Promise.all([...first, ...more]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  await eventually('nothing is left', async () => (await inFlight()) === 0);
  expect(await metric('infernode_gateway_attempts_total')).toBe(4);
  expect(await metric('infernode_placement_decisions_total\\{model="model",outcome="home"\\}')).toBe(4);
  expect(await metric('infernode_gateway_worker_overshoots_total')).toBe(0);
}, 30_000);

it('the limits of a key are counted over both', async () => {
  const { gateway, engine } = await start(64, 4);
  engine.script = answerStream;
  let granted = 0;
  // Whoever is asked, in the end all refuse; each alone would have granted four.
  for (let refusals = 0; refusals < 8;) {
    const { status } = await chat(gateway, new Agent());
    if (status === 200) granted += 1;
    else expect(status).toBe(429);
    refusals = status === 429 ? refusals + 1 : 0;
  }
  expect(granted).toBeGreaterThanOrEqual(4);
  expect(granted).toBeLessThan(8);
}, 30_000);

it('a response that one worker has seen is known to the other', async () => {
  const { gateway, engine, metric, workers } = await start(64);
  engine.script = (call) => answerJson(call, { id: 'resp_1' });
  const [one = 0, other = 0] = workers();
  const ask = async (stopped: number, path: string, body: string | null): Promise<number> => {
    process.kill(stopped, 'SIGSTOP');
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${bearer}`,
      connection: 'close',
    };
    const method = body === null ? 'GET' : 'POST';
    const { status } = await fetch(`http://${gateway}${path}`, { method, headers, body });
    process.kill(stopped, 'SIGCONT');
    return status;
  };
  expect(await ask(other, '/v1/responses', '{"model":"model","input":"x"}')).toBe(200);
  await eventually('the other one has heard of it', async () => {
    expect(await ask(one, '/v1/responses/resp_1', null)).toBe(200);
    return (await metric('infernode_gateway_response_follow_ups_total\\{response="known"\\}')) > 0;
  });
}, 30_000);

it('requests held at workers wake the engine that sleeps, once, and are served when it is ready', async () => {
  const { gateway, engine, agent, metric } = await start(64, 1000, { state: 'asleep', origin: 'supervised' });
  engine.script = answerStream;
  const held = Array.from({ length: 6 }, () => chat(gateway, new Agent()));
  await eventually('all are held', async () => (await metric('infernode_gateway_queued_requests')) === 6);
  await eventually('the agent is asked to wake it', () => agent.asked.length > 0);
  const { url } = engine;
  const state = (name: 'starting' | 'ready') =>
    anEngineStatus('chat-0', { url, maxConcurrentRequests: 64, state: name, origin: 'supervised' });
  agent.change({ engines: [state('starting')] });
  agent.change({ engines: [state('ready')] });
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual(Array(6).fill(200));
  expect(agent.asked).toEqual([{ call: 'WakeEngine', engineId: 'chat-0', expectedEpoch: 'e1' }]);
}, 30_000);

it('a worker that is killed costs its own streams, and another takes its place', async () => {
  const { gateway, engine, inFlight, metric, workers } = await start(64);
  const streams = Array.from({ length: 4 }, () => chat(gateway, new Agent()).catch(() => 'cut' as const));
  const calls: EngineCall[] = [];
  while (calls.length < 4) calls.push(await engine.nextCall());
  for (const { response } of calls) {
    startEvents(response);
    response.write(chunkEvent('one'));
  }
  await eventually('all are known to the parent', async () => (await inFlight()) === 4);
  const before = workers();
  expect(before).toHaveLength(2);
  process.kill(before[0] as number, 'SIGKILL');
  await eventually(
    'it is replaced',
    async () => (await metric('infernode_gateway_worker_restarts_total')) === 1,
  );
  const left = await inFlight();
  for (const { response } of calls) response.end(`${chunkEvent('', 'stop')}data: [DONE]\n\n`);
  const ends = await Promise.all(streams);
  expect(ends.filter((end) => end === 'cut')).toHaveLength(4 - left);
  expect(ends.filter((end) => end !== 'cut' && end.text.includes('[DONE]'))).toHaveLength(left);
  await eventually(
    'a new worker runs',
    () => workers().length === 2 && workers().every((pid) => pid !== before[0]),
  );
  engine.script = answerStream;
  const after = await Promise.all(Array.from({ length: 4 }, () => chat(gateway, new Agent())));
  expect(after.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  await eventually('nothing is left', async () => (await inFlight()) === 0);
}, 30_000);

it('a worker that takes the place of another knows the work that others placed before', async () => {
  const { gateway, placement, engine, log, metric, workers } = await start(1);
  const { leaseId } = await placement.place({ model: 'model', requestJson: JSON.stringify(hello) });
  let listening = 2;
  for (const pid of workers()) {
    process.kill(pid, 'SIGKILL');
    listening += 1;
    await eventually('it is replaced', () => log().split('gateway listens').length - 1 === listening);
  }
  const waiting = chat(gateway, new Agent());
  await eventually(
    'the only place is taken',
    async () => (await metric('infernode_gateway_queued_requests')) === 1,
  );
  expect(engine.calls).toHaveLength(0);
  engine.script = answerStream;
  await placement.release(leaseId);
  expect((await waiting).status).toBe(200);
}, 30_000);

it('a file of keys that is none is refused at a reload, and costs no worker', async () => {
  const { child, gateway, engine, log, metric, workers } = await start(64);
  engine.script = answerStream;
  const before = workers();
  writeFileSync(keysFile(), 'keys: [{ id: a, sha256: short }]');
  child.kill('SIGHUP');
  await eventually('the refusal names file and field', () => log().includes('keys.yaml: keys.0.sha256'));
  expect((await chat(gateway, new Agent())).status).toBe(200);
  expect(workers()).toEqual(before);
  expect(await metric('infernode_gateway_worker_restarts_total')).toBe(0);
}, 30_000);

it('SIGTERM drains the workers: streams finish, then all of them are gone', async () => {
  const { gateway, engine, child, exited, workers } = await start(64);
  const stream = chat(gateway, new Agent());
  const call = await engine.nextCall();
  startEvents(call.response);
  call.response.write(chunkEvent('one'));
  // Whoever asks before the drain has begun is answered, and asks again.
  engine.script = answerStream;
  const pids = workers();
  child.kill('SIGTERM');
  await eventually('no new connection is taken', async () =>
    chat(gateway, new Agent()).then(
      ({ status }) => status === 503,
      () => true,
    ),
  );
  call.response.end(`${chunkEvent('', 'stop')}data: [DONE]\n\n`);
  expect((await stream).text).toContain('[DONE]');
  expect(await exited).toBe(0);
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow();
}, 30_000);
