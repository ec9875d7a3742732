/**
 * A whole agent over the simulated NVML library, with real sampler, keepers and engine processes: an Xid 79 is on the
 * `WatchNode` stream as an unhealthy device with its action and an evicting engine, the other engine serves on, an agent that
 * restarts still knows, and the device comes back when it has really been away. A driver that is absent, and one whose call
 * hangs, leave the agent running.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runAgent } from '../../src/agent.js';
import { agentSchema } from '../../src/config/agent-config.js';
import type { NodeState, NodeStateUpdate } from '../../src/domain/node-state.js';
import { NodeServiceClient } from '../../src/rpc/node-service-client.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { SimulatedGpus } from '../support/simulated-gpus.js';
import { eventually } from '../support/running-up.js';

const fakeEngine = new URL('../support/fake-engine.mjs', import.meta.url).pathname;

let stateDir: string;
let gpus: SimulatedGpus;
const closers: (() => Promise<void> | void)[] = [];
/** Engines outlive their agent, and must not outlive a test that fails. */
const enginePids: number[] = [];
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'infernode-agent-'));
  gpus = new SimulatedGpus(2);
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  for (const pid of enginePids.splice(0)) endProcess(pid);
  gpus.remove();
  rmSync(stateDir, { recursive: true, force: true });
});

/** `stopEngines` at the end of the test; a test that restarts the agent closes the first one itself. */
async function startAgent(nvml: Record<string, unknown> = {}) {
  const config = agentSchema.parse({
    node: { name: 'gpu-a', machineId: 'm' },
    stateDir,
    listen: { control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' },
    nvml: { library: gpus.libraryPath, sampleIntervalMs: 100, callDeadlineMs: 500, ...nvml },
    templates: { chat: { model: 'm', command: [process.execPath, fakeEngine], stopGraceMs: 2000 } },
    engines: [
      { id: 'a', template: 'chat', devices: [0] },
      { id: 'b', template: 'chat', devices: [1] },
    ],
  });
  const agent = await runAgent(config, { clock: systemClock, logger: silentLogger(), version: '0' });
  const client = new NodeServiceClient({ address: agent.addresses.control });
  closers.push(
    () => agent.close({ stopEngines: true }),
    () => client.close(),
  );
  const until = (what: string, holds: (state: NodeState) => boolean) =>
    eventually(what, async () => holds((await client.getNode()).state));
  const ready = async () => {
    await until(
      'both engines are ready',
      ({ engines }) => engines.filter((e) => e.state === 'ready').length === 2,
    );
    for (const { pid } of await client.listEngines()) if (pid !== null) enginePids.push(pid);
  };
  return { agent, client, until, ready };
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone, as it should be.
  }
}

/** The first delta of a new stream that holds an unhealthy device. */
function firstFault(client: NodeServiceClient, onSnapshot: () => void): Promise<NodeStateUpdate> {
  return new Promise((resolve, reject) => {
    const watch = client.watchNode({
      onUpdate: (update) => {
        if (update.kind === 'snapshot') onSnapshot();
        else if (update.kind === 'delta' && update.delta.devices.some((d) => d.health === 'unhealthy'))
          resolve(update);
      },
      onEnd: (error) => reject(error ?? new Error('the stream ended')),
    });
    closers.push(() => watch.cancel());
  });
}

it('xid 79 reaches the stream with its action and the evicting engine, and survives a restart of the agent', async () => {
  const { agent, client, until, ready } = await startAgent();
  await ready();
  const before = (await client.getNode()).state;
  const update = await firstFault(client, () => gpus.raise('xid', 0, 79));
  expect(update).toMatchObject({
    delta: {
      devices: [
        {
          identity: { uuid: gpus.uuids[0] },
          health: 'unhealthy',
          action: 'reboot-node',
          reason: expect.stringMatching(/^Xid 79/) as string,
          cordons: [{ holder: 'health:xid' }],
        },
      ],
      engines: [{ id: 'a', evicting: true }],
    },
  });
  await until('engine a is down, b serves on', ({ engines }) => {
    const [a, b] = [engines.find((e) => e.id === 'a'), engines.find((e) => e.id === 'b')];
    return a?.state !== 'ready' && a?.pid === null && b?.state === 'ready' && !b.evicting;
  });
  await agent.close();

  const next = await startAgent();
  const { state } = await next.client.getNode();
  expect(state.epoch).not.toBe(before.epoch);
  expect(state.devices[0]).toMatchObject({ health: 'unhealthy', cordons: [{ holder: 'health:xid' }] });
  const [b, bBefore] = [state, before].map(({ engines }) => engines.find((e) => e.id === 'b'));
  expect(b).toMatchObject({ state: 'ready', pid: bBefore?.pid, incarnation: bBefore?.incarnation });

  // Away and back, as after a reset of the slot: the driver's evidence clears it without an operator.
  gpus.edit((scenario) => (scenario.devices[0]!.lost = true));
  await next.until('the device is lost', ({ devices }) =>
    devices[0]!.conditions.some(({ check }) => check === 'gpu_lost'),
  );
  gpus.edit((scenario) => (scenario.devices[0]!.lost = false));
  await next.until('the device is healthy', ({ devices }) => devices[0]?.health === 'healthy');
  await next.ready();
});

it('an operator acknowledges an Xid, and the engine comes back', async () => {
  const { client, until, ready } = await startAgent();
  await ready();
  gpus.raise('xid', 1, 79);
  await until('the device is unhealthy', ({ devices }) => devices[1]?.health === 'unhealthy');
  expect(await client.uncordonDevice({ device: '1', holder: 'health:xid' })).toMatchObject({
    health: 'healthy',
    cordons: [],
  });
  await ready();
});

it('a driver call that hangs makes its device unknown; the other is read on and the agent can end', async () => {
  const { agent, until, ready } = await startAgent();
  await ready();
  gpus.edit((scenario) => scenario.hangs.push({ call: 'nvmlDeviceGetMemoryInfo_v2', device: 1 }));
  await until('device 1 is unknown, device 0 healthy', ({ devices, engines }) => {
    const known = devices[0]?.health === 'healthy' && devices[0].sampleAgeMs < 1000;
    return known && devices[1]?.health === 'unknown' && engines.every((e) => e.state === 'ready');
  });
  await agent.close({ stopEngines: true });
});

it('without the library the agent runs and says so', async () => {
  const { client, agent } = await startAgent({ library: '/nonexistent/libnvidia-ml.so.1' });
  const { state } = await client.getNode();
  expect(state.driver.state).toBe('library-absent');
  expect(state.devices).toEqual([]);
  const { status } = await fetch(`http://${agent.addresses.probe}/readyz`);
  expect(status).toBe(200);
  expect(state.engines.every((e) => e.state !== 'ready' && e.reason !== '')).toBe(true);
});
