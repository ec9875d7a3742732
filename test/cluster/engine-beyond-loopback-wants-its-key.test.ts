/**
 * An engine whose template lets it listen beyond loopback, end to end with real processes: the agent makes a key for the start, the
 * coordinator serves through it, whoever calls the engine without it is turned away, and nobody who may only look is told it.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runAgent } from '../../src/agent.js';
import { agentSchema, templateSchema } from '../../src/config/agent-config.js';
import { coordinatorSchema } from '../../src/config/coordinator-config.js';
import { runCoordinator } from '../../src/coordinator.js';
import type { NodeStateUpdate } from '../../src/domain/node-state.js';
import { ClusterServiceClient } from '../../src/rpc/cluster-service-client.js';
import { NodeServiceClient } from '../../src/rpc/node-service-client.js';
import { nodeUpdateToProto } from '../../src/rpc/node-state-proto.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { createSimulatedNode } from '../../src/sim/gpu-scenario.js';
import { anEngineStatus } from '../support/node-fixtures.js';
import { eventually, mainFile } from '../support/running-up.js';

let directory: string;
const closers: (() => Promise<void> | void)[] = [];
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'infernode-listen-'))));
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(directory, { recursive: true, force: true });
});

const run = { clock: systemClock, logger: silentLogger(), version: '0' };

/** A second address of this machine stands for one that other machines reach. */
async function startAgent(): Promise<NodeServiceClient> {
  const gpuDirectory = join(directory, 'gpu');
  const { libraryPath } = createSimulatedNode(gpuDirectory, { gpus: 1, profile: 'H100-80', seed: 1 });
  const agent = await runAgent(
    agentSchema.parse({
      node: { name: 'gpu-a', machineId: 'm' },
      stateDir: join(directory, 'state'),
      listen: { control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' },
      nvml: { library: libraryPath, sampleIntervalMs: 200 },
      kmsg: { path: null },
      templates: {
        chat: {
          model: 'meta-llama/Llama-3.1-8B-Instruct',
          command: [process.execPath, mainFile, 'sim', 'engine'],
          env: { INFERNODE_SIM_NODE_DIR: gpuDirectory },
          listen: '127.0.0.2',
          stopGraceMs: 1000,
        },
      },
      engines: [{ id: 'chat-0', template: 'chat', devices: [0] }],
    }),
    run,
  );
  const client = new NodeServiceClient({ address: agent.addresses.control });
  closers.push(
    () => agent.close({ stopEngines: true }),
    () => client.close(),
  );
  await eventually('the engine is ready', async () => (await client.listEngines())[0]?.state === 'ready');
  return client;
}

async function completion(base: string, headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(`${base}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'meta-llama/Llama-3.1-8B-Instruct', prompt: 'Hi', max_tokens: 2 }),
  });
  await response.text();
  return response.status;
}

it('serves through the coordinator, and nobody else', async () => {
  const agent = await startAgent();
  const [engine] = await agent.listEngines();
  const url = engine?.url ?? '';
  expect(url).toMatch(/^http:\/\/127\.0\.0\.2:\d+$/);
  expect(await completion(url)).toBe(401);

  const coordinator = await runCoordinator(
    coordinatorSchema.parse({
      listen: {
        gateway: '127.0.0.1:0',
        control: '127.0.0.1:0',
        probe: '127.0.0.1:0',
        metrics: '127.0.0.1:0',
      },
      agents: [{ address: agent.address }],
    }),
    run,
  );
  closers.push(() => coordinator.close());
  const gateway = `http://${coordinator.addresses.gateway}`;
  await eventually('the endpoint serves', async () => (await completion(gateway)) === 200);
  // The client's own word goes nowhere: the engine would refuse it.
  expect(await completion(gateway, { authorization: 'Bearer of the client' })).toBe(200);

  const record = join(directory, 'state', 'engines', 'chat-0', 'engine.json');
  const { data } = JSON.parse(readFileSync(record, 'utf8')) as { data: { run: { apiKey: string } } };
  const { apiKey } = data.run;
  expect(apiKey).toMatch(/^[\w-]{43}$/);
  expect(statSync(record).mode & 0o077).toBe(0);
  expect(await completion(url, { authorization: `Bearer ${apiKey}` })).toBe(200);
  const cluster = new ClusterServiceClient({ address: coordinator.addresses.control });
  closers.push(() => cluster.close());
  const told = [await agent.listEngines(), await agent.getNode(), await cluster.getCluster()];
  const pages = await Promise.all(
    [coordinator.addresses.metrics].map(async (address) => (await fetch(`http://${address}/metrics`)).text()),
  );
  expect(JSON.stringify([told, pages])).not.toContain(apiKey);
  const argv = readFileSync(`/proc/${engine?.pid}/cmdline`, 'utf8');
  expect(argv).not.toContain(apiKey);
});

describe('who is told', () => {
  const update: NodeStateUpdate = {
    kind: 'delta',
    delta: {
      epoch: 'e',
      baseRevision: 1,
      revision: 2,
      driver: null,
      cordons: null,
      conditions: null,
      unsupportedChecks: null,
      devices: [],
      removedDevices: [],
      engines: [anEngineStatus('a', { apiKey: 'secret' })],
      removedEngines: [],
    },
  };
  it('a reader who may send requests, and no other', () => {
    expect(JSON.stringify(nodeUpdateToProto(update, { withKeys: true }))).toContain('secret');
    const viewer = nodeUpdateToProto(update);
    expect(JSON.stringify(viewer)).not.toContain('secret');
    expect(viewer.delta?.engines?.[0]).toMatchObject({ keyRequired: true });
  });
});

describe('the configuration refuses', () => {
  const template = (change: object) => templateSchema.safeParse({ model: 'm', ...change });
  it.each([
    [{ listen: '0.0.0.0' }, /needs the address that coordinators call/],
    [{ listen: '10.0.0.5', adapter: 'sglang' }, /only adapter vllm takes a key/],
    [{ listen: '10.0.0.5', env: { VLLM_API_KEY: 'mine' } }, /leave it out/],
    [{ advertise: '10.0.0.5' }, /needs listen beside it/],
    [{ listen: 'http://x' }, /without a port/],
  ])('%j', (change, message) => {
    expect(template(change).error?.message).toMatch(message);
  });
  it('and takes what can work', () => {
    expect(template({ listen: '0.0.0.0', advertise: 'gpu-a.example' }).success).toBe(true);
    expect(template({ listen: '10.0.0.5' }).success).toBe(true);
  });
});
