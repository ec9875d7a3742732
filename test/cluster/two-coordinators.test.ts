/**
 * Two coordinators, and no leader, before real agents over real gRPC (their engines are scripted HTTP servers): they share
 * one view of the work in flight, agents know it for drains, and it is right again after a coordinator is killed, a stream
 * breaks, an engine or an agent restarts. Nothing is counted twice, and everything ends at zero.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runAgent, type RunningAgent } from '../../src/agent.js';
import { agentSchema } from '../../src/config/agent-config.js';
import { coordinatorSchema } from '../../src/config/coordinator-config.js';
import { runCoordinator, type RunningCoordinator } from '../../src/coordinator.js';
import { emptyDriverReadings, nothingRead } from '../../src/domain/device-details.js';
import { ClusterServiceClient } from '../../src/rpc/cluster-service-client.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { FakeAgent } from '../support/fake-agent.js';
import { FakeFleet, FakeSampler, fakeParts } from '../support/fake-agent-parts.js';
import { aDeviceStatus, anEngineStatus } from '../support/node-fixtures.js';
import { eventually, mainFile } from '../support/running-up.js';
import { answerStream, chunkEvent, ScriptedEngine, startEvents } from '../support/scripted-engine.js';
import { openStream } from '../support/sse-client.js';

let directory: string;
const closers: (() => Promise<unknown> | void)[] = [];
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'infernode-two-'))));
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(directory, { recursive: true, force: true });
});

const agentListen = { control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' };
const listen = { ...agentListen, gateway: '127.0.0.1:0' };

interface TestNode {
  agent: RunningAgent;
  fleet: FakeFleet;
  engine: ScriptedEngine;
}

async function startNode(name: string): Promise<TestNode> {
  const engine = await ScriptedEngine.start();
  closers.push(() => engine.close());
  const fleet = new FakeFleet([anEngineStatus('chat-0', { url: engine.url, maxConcurrentRequests: 4 })]);
  return { agent: await startAgent(name, fleet), fleet, engine };
}

async function startAgent(name: string, fleet: FakeFleet, control = '127.0.0.1:0'): Promise<RunningAgent> {
  const sampler = new FakeSampler();
  sampler.first = {
    driver: { state: 'ok', driverVersion: '580.65.06', nvmlVersion: '13' },
    devices: [{ ...nothingRead, ...aDeviceStatus(0), processes: [], error: null, ageMs: 0 }],
    readings: emptyDriverReadings,
    stuck: [],
    takenAtMs: systemClock.monotonicMs(),
  };
  const config = agentSchema.parse({
    node: { name, machineId: `machine-${name}` },
    stateDir: join(directory, name),
    listen: { ...agentListen, control },
  });
  const parts = fakeParts(sampler, fleet);
  const agent = await runAgent(config, {
    clock: systemClock,
    logger: silentLogger(),
    version: '1.2.3',
    parts,
  });
  closers.push(() => agent.close());
  return agent;
}

interface View {
  gateway: string;
  /** Requests in flight by endpoint, as this coordinator counts them. */
  inFlight(): Promise<Record<string, number>>;
  shared(): Promise<boolean[]>;
  /** The last lines of `infernode status`. */
  foreignChains(): Promise<string[]>;
}

function viewOf(addresses: { gateway: string; control: string }): View {
  const client = new ClusterServiceClient({ address: addresses.control });
  closers.push(() => client.close());
  const endpoints = async () => (await client.getCluster()).endpoints;
  return {
    gateway: `http://${addresses.gateway}`,
    inFlight: async () => Object.fromEntries((await endpoints()).map(({ id, inFlight }) => [id, inFlight])),
    shared: async () => (await endpoints()).map(({ sharedView }) => sharedView),
    foreignChains: async () => (await client.getCluster()).foreignChains,
  };
}

async function startCoordinator(
  agents: string[],
  expectedShared = true,
  placement: { hashSeed?: string } = {},
): Promise<View & { coordinator: RunningCoordinator }> {
  const coordinator = await runCoordinator(
    coordinatorSchema.parse({ listen, placement, agents: agents.map((address) => ({ address })) }),
    { clock: systemClock, logger: silentLogger(), version: '1.2.3' },
  );
  closers.push(() => coordinator.close());
  const view = viewOf(coordinator.addresses);
  if (expectedShared) await untilShared(view, agents.length);
  return { ...view, coordinator };
}

const untilShared = (view: View, count: number) =>
  eventually('work is shared', async () => {
    const shared = await view.shared();
    return shared.length === count && shared.every(Boolean);
  });

async function until(view: View, expected: Record<string, number>): Promise<void> {
  let last: unknown;
  await eventually(`in flight is ${JSON.stringify(expected)}`, async () => {
    last = await view.inFlight();
    return Object.entries(expected).every(([id, n]) => (last as Record<string, number>)[id] === n);
  }).catch((error: unknown) => {
    throw new Error(`last seen: ${JSON.stringify(last)}`, { cause: error });
  });
}

const chat = (view: View, content: string) =>
  openStream(view.gateway, { model: 'model', messages: [{ role: 'user', content }] });

async function metricOf(address: string, name: string): Promise<number> {
  const text = await (await fetch(`http://${address}/metrics`)).text();
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? 'NaN');
}

it('each sees what the other has in flight, once, and sees it end; the agent knows it by engine', async () => {
  const { agent, engine } = await startNode('gpu-a');
  const address = agent.addresses.control;
  const [one, two] = [await startCoordinator([address]), await startCoordinator([address])];
  const [first, second] = [chat(one, 'hello'), chat(two, 'hello')];
  const calls = [await engine.nextCall(), await engine.nextCall()];
  for (const view of [one, two]) await until(view, { 'gpu-a/chat-0': 2 });
  expect(await metricOf(agent.addresses.metrics, 'infernode_node_leases')).toBe(2);
  expect(await metricOf(one.coordinator.addresses.metrics, 'infernode_cluster_foreign_leases')).toBe(1);
  expect(await metricOf(agent.addresses.metrics, 'infernode_node_coordinators')).toBe(2);
  // Queued tokens are gone with the first token, in both views.
  for (const call of calls) {
    startEvents(call.response);
    call.response.write(chunkEvent('a'));
  }
  for (const { coordinator } of [one, two])
    await eventually(
      'nobody waits for a first token',
      async () => (await metricOf(coordinator.addresses.metrics, 'infernode_placement_queued_tokens')) === 0,
    );
  for (const call of calls) {
    call.response.write(chunkEvent('', 'stop'));
    call.response.end('data: [DONE]\n\n');
  }
  expect((await Promise.all([first.result, second.result])).map(({ done }) => done)).toEqual([true, true]);
  for (const view of [one, two]) await until(view, { 'gpu-a/chat-0': 0 });
  expect(await metricOf(agent.addresses.metrics, 'infernode_node_leases')).toBe(0);
});

it('a prompt that one has placed is found where it is by the other', async () => {
  const nodes = [await startNode('gpu-a'), await startNode('gpu-b'), await startNode('gpu-c')];
  for (const { engine } of nodes) engine.script = answerStream;
  const addresses = nodes.map(({ agent }) => agent.addresses.control);
  const [one, two] = [await startCoordinator(addresses), await startCoordinator(addresses)];
  const remembered = async () =>
    metricOf(two.coordinator.addresses.metrics, 'infernode_placement_memory_blocks');
  const prompt = 'a long story. '.repeat(1_000);
  const { endpoint } = await chat(one, prompt).result;
  await eventually('the other remembers the blocks', async () => (await remembered()) > 0);
  expect((await chat(two, `${prompt} And then?`).result).endpoint).toBe(endpoint);
});

it('a coordinator with another hash seed counts as load, is not remembered, and both say so', async () => {
  const { agent, engine } = await startNode('gpu-a');
  const address = [agent.addresses.control];
  const one = await startCoordinator(address, true, { hashSeed: 'the cluster secret' });
  const two = await startCoordinator(address, true, { hashSeed: 'a typing error' });
  const metric = ({ coordinator }: typeof one, name: string) => metricOf(coordinator.addresses.metrics, name);
  expect(await one.foreignChains()).toEqual([]);
  const streams = [chat(one, 'a long story. '.repeat(1_000)), chat(two, 'a long story. '.repeat(1_000))];
  const calls = [await engine.nextCall(), await engine.nextCall()];
  for (const view of [one, two]) {
    await until(view, { 'gpu-a/chat-0': 2 });
    expect(await view.foreignChains()).toEqual([expect.stringContaining('another placement.hashSeed')]);
    expect(await metric(view, 'infernode_cluster_foreign_chains_total')).toBe(1);
  }
  // 14,000 characters are seven blocks: those of the own request and no others.
  expect(await metric(one, 'infernode_placement_memory_blocks')).toBe(7);
  for (const call of calls) answerStream(call);
  await Promise.all(streams.map(({ result }) => result));
  for (const view of [one, two]) await until(view, { 'gpu-a/chat-0': 0 });
});

it('the cap of an engine holds across coordinators once they have heard of each other', async () => {
  const { agent, engine } = await startNode('gpu-a');
  const address = agent.addresses.control;
  const [one, two] = [await startCoordinator([address]), await startCoordinator([address])];
  const streams = Array.from({ length: 4 }, (_, i) => chat(one, `request ${i}`));
  const calls = [];
  while (calls.length < streams.length) calls.push(await engine.nextCall());
  await until(two, { 'gpu-a/chat-0': 4 });
  const fifth = chat(two, 'one more');
  await eventually(
    'the fifth waits',
    async () =>
      (await metricOf(two.coordinator.addresses.metrics, 'infernode_gateway_queued_requests')) === 1,
  );
  expect(engine.calls).toHaveLength(4);
  // Its end is heard by the other coordinator, whose queue goes on.
  answerStream(calls[0]!);
  answerStream(await engine.nextCall());
  expect((await fifth.result).done).toBe(true);
  for (const call of calls.slice(1)) answerStream(call);
  await Promise.all(streams.map(({ result }) => result));
  expect(await metricOf(agent.addresses.metrics, 'infernode_node_cap_overshoots_total')).toBe(0);
});

it('kill -9 of a coordinator: its work counts through the grace, then ends everywhere', async () => {
  const { agent, engine } = await startNode('gpu-a');
  const address = agent.addresses.control;
  const one = await startCoordinator([address]);
  const { child, view: two } = await startProcess(address);
  const lost = chat(two, 'hello');
  lost.result.catch(() => undefined);
  await engine.nextCall();
  await until(one, { 'gpu-a/chat-0': 1 });
  child.kill('SIGKILL');
  await eventually(
    'the agent knows that the coordinator is out of touch',
    async () => (await metricOf(agent.addresses.metrics, 'infernode_node_unconfirmed_leases')) === 1,
  );
  expect(await one.inFlight()).toEqual({ 'gpu-a/chat-0': 1 });
  await until(one, { 'gpu-a/chat-0': 0 });
  expect(await metricOf(agent.addresses.metrics, 'infernode_node_expired_leases_total')).toBe(1);
  expect(await metricOf(agent.addresses.metrics, 'infernode_node_leases')).toBe(0);
}, 30_000);

it('an agent that restarts hears all live work again, and nobody counts it twice', async () => {
  const before = await startNode('gpu-a');
  const address = before.agent.addresses.control;
  const [one, two] = [await startCoordinator([address]), await startCoordinator([address])];
  const stream = chat(one, 'hello');
  const call = await before.engine.nextCall();
  await until(two, { 'gpu-a/chat-0': 1 });
  await before.agent.close();
  const again = await startAgent('gpu-a', new FakeFleet(before.fleet.list()), address);
  for (const view of [one, two]) await untilShared(view, 1);
  await eventually(
    'the new agent knows the lease',
    async () => (await metricOf(again.addresses.metrics, 'infernode_node_leases')) === 1,
  );
  for (const view of [one, two]) await until(view, { 'gpu-a/chat-0': 1 });
  answerStream(call);
  await stream.result;
  for (const view of [one, two]) await until(view, { 'gpu-a/chat-0': 0 });
}, 30_000);

it('an engine that restarts clears what both count; the late end of a lost request changes nothing', async () => {
  const { agent, engine, fleet } = await startNode('gpu-a');
  const address = agent.addresses.control;
  const [one, two] = [await startCoordinator([address]), await startCoordinator([address])];
  const stream = chat(one, 'hello');
  const call = await engine.nextCall();
  await until(two, { 'gpu-a/chat-0': 1 });
  fleet.change((status) => ({ ...status, incarnation: '2' }));
  for (const view of [one, two]) await until(view, { 'gpu-a/chat-0': 0 });
  expect(await metricOf(agent.addresses.metrics, 'infernode_node_leases')).toBe(0);
  answerStream(call);
  await stream.result;
  const next = chat(two, 'hello again');
  const nextCall = await engine.nextCall();
  for (const view of [one, two]) await until(view, { 'gpu-a/chat-0': 1 });
  answerStream(nextCall);
  await next.result;
  for (const view of [one, two]) await until(view, { 'gpu-a/chat-0': 0 });
});

it('an agent that does not know ReportWork is served by the local view, and it is said', async () => {
  const engine = await ScriptedEngine.start(answerStream);
  const old = await new FakeAgent({
    devices: [aDeviceStatus(0)],
    engines: [anEngineStatus('chat-0', { url: engine.url })],
  }).start();
  closers.push(
    () => engine.close(),
    () => old.stop(),
  );
  const one = await startCoordinator([old.address], false);
  expect((await chat(one, 'hello').result).done).toBe(true);
  expect(await one.shared()).toEqual([false]);
  await until(one, { 'gpu-a/chat-0': 0 });
});

async function startProcess(agent: string): Promise<{ child: ChildProcess; view: View }> {
  const file = join(directory, 'coordinator.yaml');
  writeFileSync(file, JSON.stringify({ listen, agents: [{ address: agent }] }));
  const child = spawn(process.execPath, [mainFile, 'coordinator', '--config', file, '--ready-json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  closers.push(() => void child.kill('SIGKILL'));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('exit', (code) => reject(new Error(`the coordinator ended with ${code}`)));
  });
  const { listening } = JSON.parse(line) as { listening: { gateway: string; control: string } };
  const view = viewOf(listening);
  await untilShared(view, 1);
  return { child, view };
}
