/**
 * The agent's composition over real gRPC and HTTP, with sampler and engines faked: a fault reaches a `WatchNode` stream as
 * one delta that holds device and engines; cordons and Xids survive a restart; a reload keeps the old on error.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runAgent, type RunningAgent } from '../../src/agent.js';
import { agentSchema, type AgentConfig } from '../../src/config/agent-config.js';
import type { DeviceEvent, NodeSample } from '../../src/domain/device.js';
import type { NodeStateUpdate } from '../../src/domain/node-state.js';
import { NodeServiceClient } from '../../src/rpc/node-service-client.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { FakeFleet, FakeSampler, fakeParts } from '../support/fake-agent-parts.js';
import { aNodeSample, anEngineStatus, deviceUuid } from '../support/node-fixtures.js';

let stateDir: string;
const closers: (() => Promise<void> | void)[] = [];
beforeEach(() => (stateDir = mkdtempSync(join(tmpdir(), 'infernode-agent-'))));
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(stateDir, { recursive: true, force: true });
});

function xid79(): DeviceEvent {
  return {
    deviceUuid: deviceUuid(0),
    kind: 'xid',
    code: 79,
    source: 'nvml',
    text: null,
    pid: null,
    receivedAtMs: systemClock.monotonicMs(),
    drill: true,
  };
}

function config(change: Record<string, unknown> = {}): AgentConfig {
  return agentSchema.parse({
    node: { name: 'gpu-a', machineId: 'm' },
    stateDir,
    listen: { control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' },
    ...change,
  });
}

async function start(first: NodeSample | null = aNodeSample()) {
  const sampler = new FakeSampler(first);
  const fleet = new FakeFleet([anEngineStatus('a'), anEngineStatus('b', { deviceUuids: [deviceUuid(1)] })]);
  const agent: RunningAgent = await runAgent(config(), {
    clock: systemClock,
    logger: silentLogger(),
    version: '1.2.3',
    parts: fakeParts(sampler, fleet),
  });
  const client = new NodeServiceClient({ address: agent.addresses.control });
  closers.push(
    () => agent.close(),
    () => client.close(),
  );
  return { agent, sampler, fleet, client };
}

const http = async (address: string, path: string) => {
  const response = await fetch(`http://${address}${path}`);
  return { status: response.status, text: await response.text() };
};

it('xid 79 is one delta: device unhealthy with its action, and the engines on it evicting', async () => {
  const { client, sampler, fleet, agent } = await start();
  const updates: NodeStateUpdate[] = [];
  const faulted = new Promise<NodeStateUpdate>((resolve) => {
    const watch = client.watchNode({
      onUpdate: (update) => {
        updates.push(update);
        if (update.kind === 'snapshot') sampler.emitEvent(xid79());
        if (update.kind === 'delta' && update.delta.devices.length > 0) resolve(update);
      },
      onEnd: () => undefined,
    });
    closers.push(() => watch.cancel());
  });
  expect(await faulted).toMatchObject({
    delta: {
      devices: [
        {
          identity: { uuid: deviceUuid(0) },
          health: 'unhealthy',
          action: 'reboot-node',
          cordons: [{ holder: 'health:xid' }],
        },
      ],
      engines: [{ id: 'a', evicting: true }],
    },
  });
  expect(updates[0]).toMatchObject({ kind: 'snapshot', state: { driver: { state: 'ok' } } });
  expect(fleet.faults).toMatchObject([{ xid: 79, drain: 'drain-now' }]);
  const { text } = await http(agent.addresses.metrics, '/metrics');
  expect(text).toContain(`xid="79"} 1`);
  expect(JSON.parse((await http(agent.addresses.metrics, '/sd')).text)).toHaveLength(2);
  expect((await http(agent.addresses.probe, '/readyz')).status).toBe(200);
});

it('a kernel log that cannot be read any more is a delta: its checks have no source, on the node and on each device', async () => {
  const { client, sampler } = await start();
  const lost = { state: 'unreadable', reason: 'permission denied', lost: 0, invalid: 0 } as const;
  const told = new Promise<NodeStateUpdate>((resolve) => {
    const watch = client.watchNode({
      onUpdate: (update) => {
        if (update.kind === 'snapshot') sampler.emitKernelLog({ kind: 'status', status: lost, lost: 0 });
        if (update.kind === 'delta' && update.delta.unsupportedChecks?.includes('sxid')) resolve(update);
      },
      onEnd: () => undefined,
    });
    closers.push(() => watch.cancel());
  });
  const missing = expect.arrayContaining(['fallen_off_log', 'rm_init_failed']) as string[];
  expect(await told).toMatchObject({
    delta: { devices: [{ unsupportedChecks: missing }, { unsupportedChecks: missing }] },
  });
});

it('cordons and conditions survive an agent restart; the epoch does not', async () => {
  const first = await start();
  first.sampler.emitEvent(xid79());
  await first.client.cordonDevice({ device: '1', holder: 'operator:ann', reason: 'maintenance' });
  const { epoch } = (await first.client.getNode()).state;
  await first.agent.close();
  expect(first.fleet.closedWith).toEqual({ stopEngines: false });

  const second = await start();
  const { state } = await second.client.getNode();
  expect(state.epoch).not.toBe(epoch);
  expect(state.devices.map((d) => [d.health, d.cordons.map((c) => c.holder)])).toEqual([
    ['unhealthy', ['health:xid']],
    ['healthy', ['operator:ann']],
  ]);
  const cleared = await second.client.uncordonDevice({ device: '0', holder: 'health:xid' });
  expect(cleared).toMatchObject({ health: 'healthy', cordons: [] });
  await expect(second.client.stopEngine({ engineId: 'a', expectedEpoch: epoch })).rejects.toMatchObject({
    code: 'stale-epoch',
  });
});

it('without a driver the agent runs and says why; known devices are unknown', async () => {
  const first = await start();
  await first.agent.close();
  const second = await start(
    aNodeSample({ driver: { state: 'library-absent', reason: 'libnvidia-ml.so.1: not found' }, devices: [] }),
  );
  const { state } = await second.client.getNode();
  expect(state.driver).toEqual({ state: 'library-absent', reason: 'libnvidia-ml.so.1: not found' });
  expect(state.devices.map((d) => d.health)).toEqual(['unknown', 'unknown']);
  expect(state.devices[0]?.reason).toContain('libnvidia-ml.so.1: not found');
});

it('an engine that starts anew takes the application fault of the old one with it', async () => {
  const { client, sampler, fleet } = await start();
  fleet.change((engine) => engine);
  sampler.emitEvent({ ...xid79(), code: 31 });
  expect((await client.getNode()).state.devices[0]?.conditions).toHaveLength(1);
  fleet.change((engine) => ({ ...engine, incarnation: '2' }));
  expect((await client.getNode()).state.devices[0]?.conditions).toEqual([]);
});

it('a second agent on one state directory is refused', async () => {
  await start();
  await expect(start()).rejects.toThrow(/in use by another agent/);
});

it('a reload applies templates and thresholds and names what needs a restart', async () => {
  const { agent, sampler, fleet, client } = await start();
  const result = agent.reload(
    config({
      health: { checks: { temp_gpu: { threshold: 40 } } },
      templates: { chat: { model: 'm' } },
      nvml: { sampleIntervalMs: 500 },
    }),
  );
  expect(result).toEqual({ applied: ['templates', 'health.checks'], needsRestart: ['nvml'] });
  expect(fleet.templates).toHaveProperty('chat');
  sampler.emitSample(aNodeSample());
  expect((await client.getNode()).state.devices[0]).toMatchObject({ health: 'degraded' });
});

it('closing with stopEngines stops the engines, once, and frees everything', async () => {
  const { agent, fleet, sampler } = await start();
  const { probe } = agent.addresses;
  await Promise.all([agent.close({ stopEngines: true }), agent.close()]);
  expect(fleet.closedWith).toEqual({ stopEngines: true });
  expect(sampler.closed).toBe(1);
  await expect(http(probe, '/livez')).rejects.toThrow();
});
