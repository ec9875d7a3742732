/**
 * A real coordinator over real gRPC and HTTP, with fake agents and tiny engines: a completion is served; requests follow
 * cordons, evictions and vanished agents; `GetCluster`, metrics and probe say what is; a reload takes effect.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { coordinatorSchema, type CoordinatorConfig } from '../../src/config/coordinator-config.js';
import { runCoordinator, type RunningCoordinator } from '../../src/coordinator.js';
import type { EngineStatus } from '../../src/domain/engine.js';
import { ClusterServiceClient } from '../../src/rpc/cluster-service-client.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { FakeAgent } from '../support/fake-agent.js';
import { aDeviceStatus, anEngineStatus } from '../support/node-fixtures.js';
import { eventually } from '../support/running-up.js';
import { openStream } from '../support/sse-client.js';

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** An engine that answers at once, or holds every answer until released. */
class TinyEngine {
  url = '';
  served = 0;
  /** While set, answers send headers and one event, then wait. */
  holdAfterFirstEvent = false;
  holdBeforeFirstByte = false;
  readonly held: ServerResponse[] = [];
  #server: Server | null = null;

  async start(): Promise<this> {
    const server = createServer((request, response) => void this.#answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#server = server;
    closers.push(() => this.stop());
    return this;
  }

  stop(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for await (const chunk of request) void chunk;
    this.served += 1;
    if (this.holdBeforeFirstByte) {
      this.held.push(response);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(event({ choices: [{ index: 0, delta: { content: 'hello' } }] }));
    if (this.holdAfterFirstEvent) {
      this.held.push(response);
      return;
    }
    response.write(event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }));
    response.end('data: [DONE]\n\n');
  }
}

const event = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;

async function startAgent(node: string, engines: EngineStatus[]): Promise<FakeAgent> {
  const agent = await new FakeAgent({
    node,
    machineId: `machine-${node}`,
    devices: [aDeviceStatus(0)],
    engines,
  }).start();
  closers.push(() => agent.stop());
  return agent;
}

function config(agents: FakeAgent[], change: Record<string, unknown> = {}): CoordinatorConfig {
  return coordinatorSchema.parse({
    listen: { gateway: '127.0.0.1:0', control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' },
    agents: agents.map(({ address }) => ({ address })),
    models: { model: { aliases: ['chat'] } },
    ...change,
  });
}

async function startCoordinator(agents: FakeAgent[], change: Record<string, unknown> = {}) {
  const coordinator: RunningCoordinator = await runCoordinator(config(agents, change), {
    clock: systemClock,
    logger: silentLogger(),
    version: '1.2.3',
  });
  const client = new ClusterServiceClient({ address: coordinator.addresses.control });
  closers.push(
    () => coordinator.close(),
    () => client.close(),
  );
  const gateway = `http://${coordinator.addresses.gateway}`;
  const chat = (content = 'hi') =>
    openStream(gateway, { model: 'chat', messages: [{ role: 'user', content }] });
  return { coordinator, client, gateway, chat };
}

const get = async (address: string, path: string) => {
  const response = await fetch(`http://${address}${path}`);
  return { status: response.status, text: await response.text() };
};

it('serves a completion, and says in status, metrics and probe what it knows', async () => {
  const engine = await new TinyEngine().start();
  const agent = await startAgent('gpu-a', [anEngineStatus('chat-0', { url: engine.url })]);
  const { coordinator, client, chat, gateway } = await startCoordinator([agent]);

  expect(await chat().result).toMatchObject({
    status: 200,
    endpoint: 'gpu-a/chat-0',
    text: 'hello',
    done: true,
  });
  const models = (await (await fetch(`${gateway}/v1/models`)).json()) as { data: { id: string }[] };
  expect(models.data.map(({ id }) => id)).toEqual(['model', 'chat']);

  const cluster = await client.getCluster();
  expect(cluster).toMatchObject({
    coordinatorVersion: '1.2.3',
    nodes: [{ address: agent.address, watch: 'watching', reason: '', state: { node: 'gpu-a' } }],
    endpoints: [{ id: 'gpu-a/chat-0', model: 'model', eligible: true, reason: '', inFlight: 0 }],
    models: [{ name: 'model', aliases: ['chat'], strategy: 'chwbl', eligibleEndpoints: 1 }],
  });
  const { text } = await get(coordinator.addresses.metrics, '/metrics');
  expect(text).toContain('infernode_cluster_nodes{state="watching"} 1');
  expect(text).toContain('infernode_cluster_endpoints{model="model",state="ready"} 1');
  expect(text).toContain('infernode_placement_decisions_total{model="model",outcome="home"} 1');
  expect((await get(coordinator.addresses.probe, '/readyz')).status).toBe(200);
});

it('a cordoned endpoint gets no more requests; uncordoned it does', async () => {
  const [first, second] = [await new TinyEngine().start(), await new TinyEngine().start()];
  const agents = [
    await startAgent('gpu-a', [anEngineStatus('e', { url: first.url })]),
    await startAgent('gpu-b', [anEngineStatus('e', { url: second.url })]),
  ];
  const { client, chat } = await startCoordinator(agents);
  const home = (await chat('same prompt').result).endpoint;
  const agent = agents.find(({ state }) => `${state.node}/e` === home)!;
  agent.change({ cordons: [{ holder: 'operator:ann', reason: 'maintenance', sinceMs: 0 }] });
  const cordoned = await eventually('the cordon is known', async () =>
    (await client.getCluster()).endpoints.find(({ eligible }) => !eligible),
  );
  expect(cordoned).toMatchObject({ id: home, reason: expect.stringContaining('operator:ann') as string });
  const moved = (await chat('same prompt').result).endpoint;
  expect([home, moved].sort()).toEqual(['gpu-a/e', 'gpu-b/e']);
  agent.change({ cordons: [] });
  await eventually('the cordon is gone', async () =>
    (await client.getCluster()).endpoints.every(({ eligible }) => eligible),
  );
  expect((await chat('quite another prompt').result).status).toBe(200);
});

it('an eviction moves what has no first byte and ends the rest with the coded error', async () => {
  const [first, second] = [await new TinyEngine().start(), await new TinyEngine().start()];
  const agents = [
    await startAgent('gpu-a', [anEngineStatus('e', { url: first.url })]),
    await startAgent('gpu-b', [anEngineStatus('e', { url: second.url })]),
  ];
  const { chat } = await startCoordinator(agents);
  const engines = new Map([
    ['gpu-a/e', first],
    ['gpu-b/e', second],
  ]);
  const home = (await chat('one prompt').result).endpoint!;
  const lost = engines.get(home)!;

  lost.holdAfterFirstEvent = true;
  const begun = chat('one prompt');
  await begun.firstByte;
  lost.holdBeforeFirstByte = true;
  const waiting = chat('one prompt');
  await eventually('both requests are held', () => lost.held.length === 2);

  const agent = agents.find(({ state }) => `${state.node}/e` === home)!;
  agent.change({
    devices: [aDeviceStatus(0, { health: 'unhealthy', reason: 'Xid 79: GPU has fallen off the bus' })],
    engines: agent.state.engines.map((engine) => ({ ...engine, evicting: true })),
  });
  const [interrupted, rerouted] = [await begun.result, await waiting.result];
  expect(interrupted).toMatchObject({ done: false, error: { code: 'stream-interrupted' } });
  expect(interrupted.error?.message).toContain('Xid 79');
  expect(rerouted).toMatchObject({ status: 200, done: true, attempts: 2 });
  expect(rerouted.endpoint).not.toBe(home);
});

it('an agent that vanishes is silent, its endpoint still serves; back under a new epoch it is watched', async () => {
  const engine = await new TinyEngine().start();
  const agent = await startAgent('gpu-a', [anEngineStatus('e', { url: engine.url })]);
  const { client, chat } = await startCoordinator([agent], { silentAfterMs: 500 });
  agent.stop();
  await eventually(
    'the node is silent',
    async () => (await client.getCluster()).nodes[0]?.watch === 'silent',
  );
  expect(await chat().result).toMatchObject({ status: 200, done: true });
  agent.state = { ...agent.state, epoch: 'e2', revision: 1, engines: [] };
  await agent.start();
  await eventually('the agent is heard again', async () => {
    const { nodes, endpoints } = await client.getCluster();
    return nodes[0]?.watch === 'watching' && endpoints.length === 0;
  });
  expect((await chat().result).status).toBe(503);
});

it('a reload takes agents, models and limits, and names what needs a restart', async () => {
  const engine = await new TinyEngine().start();
  const agent = await startAgent('gpu-a', [anEngineStatus('e', { url: engine.url })]);
  const { coordinator, client, gateway } = await startCoordinator([]);
  expect((await openStream(gateway, { model: 'chat', messages: [] }).result).status).toBe(503);
  const result = coordinator.reload(
    config([agent], {
      models: { model: { aliases: ['assistant'], strategy: 'round-robin' } },
      gateway: { limits: { maxBodyBytes: 1024 } },
      silentAfterMs: 9000,
    }),
  );
  expect(result).toEqual({
    applied: ['agents', 'models', 'gateway.limits'],
    needsRestart: ['silentAfterMs'],
  });
  await eventually('the agent is watched', async () => (await client.getCluster()).endpoints.length === 1);
  const ask = (model: string, content: string) =>
    openStream(gateway, { model, messages: [{ role: 'user', content }] }).result;
  expect((await ask('assistant', 'hi')).status).toBe(200);
  expect((await ask('chat', 'hi')).status).toBe(404);
  expect((await ask('assistant', 'x'.repeat(2000))).status).toBe(413);
  coordinator.reload(config([]));
  await eventually('the agent is forgotten', async () => (await client.getCluster()).endpoints.length === 0);
});

it('a reload swaps policies and touches no ring, load, breaker or stream', async () => {
  const engine = await new TinyEngine().start();
  const dead = await new TinyEngine().start();
  dead.stop();
  const agent = await startAgent('gpu-a', [
    anEngineStatus('alive', { url: engine.url, maxConcurrentRequests: 1 }),
    anEngineStatus('dead', { url: dead.url }),
  ]);
  const { coordinator, chat, gateway } = await startCoordinator([agent], {
    models: { model: { aliases: ['chat'], strategy: 'round-robin' } },
  });
  const series = async (): Promise<string[]> =>
    (await get(coordinator.addresses.metrics, '/metrics')).text
      .split('\n')
      .filter((line) =>
        /^infernode_placement_(breaker_state|requests|context_tokens|memory_blocks)/.test(line),
      );
  const long = 'A prompt of several blocks. '.repeat(400);
  await eventually('the breaker of the dead engine is open', async () => {
    expect((await chat(long).result).done).toBe(true);
    return (await series()).some((line) => /"gpu-a\/dead",state="open"} 1/.test(line));
  });
  engine.holdAfterFirstEvent = true;
  const stream = chat(long);
  await stream.firstByte;
  const before = await series();
  expect(before).toContain('infernode_placement_requests{model="model",endpoint="gpu-a/alive"} 1');
  expect(before.find((line) => line.startsWith('infernode_placement_memory_blocks'))).not.toMatch(/ 0$/);

  const shed = { name: 'shed-low', queueAbove: 1, queueBelow: 1, holdMs: 1000, shed: 'low' };
  const result = coordinator.reload(
    config([agent], {
      models: { model: { aliases: ['chat'], strategy: 'least-outstanding' } },
      gateway: { degradation: { steps: [shed] }, limits: { priorities: { high: { places: 2 } } } },
    }),
  );
  expect(result).toEqual({
    applied: ['models', 'gateway.limits', 'gateway.degradation'],
    needsRestart: [],
  });
  expect(await series()).toEqual(before);

  const ask = (priority: string): Promise<Response> =>
    fetch(`${gateway}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-infernode-priority': priority },
      body: JSON.stringify({ model: 'chat', messages: [] }),
    });
  const waiting = [ask('high'), ask('high')];
  await eventually('both wait', async () =>
    (await get(coordinator.addresses.metrics, '/metrics')).text.includes(
      'infernode_gateway_queued_requests{model="model"} 2',
    ),
  );
  // The new places of a class, and the new steps.
  expect((await ask('high')).status).toBe(429);
  const low = await ask('low');
  expect([low.status, low.headers.get('x-infernode-degraded')]).toEqual([429, 'shed-low']);

  engine.holdAfterFirstEvent = false;
  engine.held[0]!.end(
    `${event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}data: [DONE]\n\n`,
  );
  expect(await stream.result).toMatchObject({ done: true, text: 'hello' });
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200]);
});

it('closing drains: not ready at once, streams finish', async () => {
  const engine = await new TinyEngine().start();
  engine.holdAfterFirstEvent = true;
  const agent = await startAgent('gpu-a', [anEngineStatus('e', { url: engine.url })]);
  const { coordinator, chat } = await startCoordinator([agent]);
  const stream = chat();
  await stream.firstByte;
  const closed = coordinator.close();
  const ready = await get(coordinator.addresses.probe, '/readyz');
  expect(ready).toMatchObject({ status: 503, text: expect.stringContaining('drains') as string });
  engine.held[0]!.end(
    `${event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}data: [DONE]\n\n`,
  );
  expect(await stream.result).toMatchObject({ done: true, text: 'hello' });
  await closed;
  await expect(get(coordinator.addresses.probe, '/livez')).rejects.toThrow();
});
