/** A driver with a global lock: one call that hangs blocks every other one, and then nothing is known of any device. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runAgent } from '../../src/agent.js';
import { agentSchema } from '../../src/config/agent-config.js';
import type { DeviceStatus } from '../../src/domain/device.js';
import { NodeServiceClient } from '../../src/rpc/node-service-client.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { appendKernelLog, kernelLogFile, xidLine } from '../../src/sim/kernel-log.js';
import { eventually, processesOf } from '../support/running-up.js';
import { SimulatedGpus } from '../support/simulated-gpus.js';

const call = 'nvmlDeviceGetMemoryInfo_v2';
let gpus: SimulatedGpus;
let stateDir: string;
const closers: (() => Promise<void> | void)[] = [];
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'infernode-agent-'));
  gpus = new SimulatedGpus(3);
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  gpus.remove();
  rmSync(stateDir, { recursive: true, force: true });
});

async function startAgent() {
  const config = agentSchema.parse({
    node: { name: 'gpu-a', machineId: 'm' },
    stateDir,
    listen: { control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' },
    nvml: { library: gpus.libraryPath, sampleIntervalMs: 100, callDeadlineMs: 500 },
    kmsg: { path: join(gpus.directory, kernelLogFile) },
  });
  const agent = await runAgent(config, { clock: systemClock, logger: silentLogger(), version: '0' });
  const client = new NodeServiceClient({ address: agent.addresses.control });
  closers.push(
    () => agent.close(),
    () => client.close(),
  );
  const devices = async (): Promise<DeviceStatus[]> => (await client.getNode()).state.devices;
  const until = (what: string, holds: (devices: DeviceStatus[]) => boolean) =>
    eventually(what, async () => holds(await devices()));
  return { agent, client, devices, until };
}

const haveHealth =
  (health: DeviceStatus['health']) =>
  (devices: DeviceStatus[]): boolean =>
    devices.length === 3 && devices.every((device) => device.health === health);

function hang(): void {
  gpus.edit((scenario) => {
    scenario.globalLock = true;
    scenario.hangs.push({ call, device: 1 });
  });
}

it('all devices turn unknown by the name of what hangs, and are back when it is over', async () => {
  const { agent, until } = await startAgent();
  await until('all healthy', haveHealth('healthy'));
  hang();
  await until('all unknown', haveHealth('unknown'));
  await until('each says why', (devices) => devices.every(({ reason }) => /has not returned/.test(reason)));
  // What does not need the driver goes on.
  expect((await fetch(`http://${agent.addresses.probe}/livez`)).status).toBe(200);
  const page = await (await fetch(`http://${agent.addresses.metrics}/metrics`)).text();
  expect(page.match(/infernode_device_health\{[^}]*state="unknown"\} 1/g)).toHaveLength(3);
  gpus.edit((scenario) => {
    scenario.globalLock = false;
    scenario.hangs = [];
  });
  await until('all healthy again', haveHealth('healthy'));
});

it('the kernel log speaks for a driver that does not: an Xid of any device still isolates it', async () => {
  const { until } = await startAgent();
  await until('all healthy', haveHealth('healthy'));
  hang();
  await until('all unknown', haveHealth('unknown'));
  let line = '';
  gpus.edit(({ devices }) => (line = xidLine(devices[2]!, 79)));
  appendKernelLog(gpus.directory, line);
  await until(
    'the device of the Xid is unhealthy, the others unknown',
    (devices) => devices.map(({ health }) => health).join() === 'unknown,unknown,unhealthy',
  );
});

it('an agent ends beside a sampler that is stuck, and its successor starts beside it', async () => {
  const first = await startAgent();
  await first.until('all healthy', haveHealth('healthy'));
  hang();
  await first.until('all unknown', haveHealth('unknown'));
  // Stopped, it outlives every polite request, as one in an uninterruptible call would.
  const stuck = processesOf(gpus.libraryPath);
  for (const pid of stuck) process.kill(pid, 'SIGSTOP');
  await first.agent.close();
  gpus.edit((scenario) => {
    scenario.globalLock = false;
    scenario.hangs = [];
  });
  const second = await startAgent();
  await second.until('all healthy under the new agent', haveHealth('healthy'));
  await eventually('nothing is left of the old samplers', () =>
    stuck.every((pid) => !existsSync(`/proc/${pid}`)),
  );
});
