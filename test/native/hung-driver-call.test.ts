/** A driver call that never returns costs its device, and nothing else: not the others, not events, not the end of the agent. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NodeSample } from '../../src/domain/device.js';
import { eventually, processesOf } from '../support/running-up.js';
import { RunningSampler } from '../support/running-sampler.js';
import { SimulatedGpus } from '../support/simulated-gpus.js';

const call = 'nvmlDeviceGetMemoryInfo_v2';
let gpus: SimulatedGpus;
let running: RunningSampler;
beforeEach(() => {
  gpus = new SimulatedGpus(4);
  running = new RunningSampler(gpus.libraryPath);
});
afterEach(async () => {
  await running.end();
  gpus.remove();
});

const isStuck = ({ stuck }: NodeSample): boolean => stuck.length > 0;
const isFresh = ({ devices }: NodeSample, index: number): boolean => devices[index]!.ageMs < 400;
const samplers = (): number[] => processesOf(gpus.libraryPath);

test('the device is stuck by name and call, the others stay fresh, and events still come', async () => {
  await running.sampler.start();
  await running.sampleWith(() => true);
  gpus.edit(({ hangs }) => hangs.push({ call, device: 2 }));
  const sample = await running.sampleWith(isStuck);
  expect(sample.stuck).toMatchObject([{ deviceIndex: 2, deviceUuid: gpus.uuids[2], call }]);
  expect(sample.devices.map((d) => d.identity.uuid)).toEqual(gpus.uuids);
  await eventually(
    'a new sampler',
    async () => (await running.metric('infernode_device_samplers_abandoned_total')) === 1,
  );
  const later = await running.sampleWith((s) => s.stuck[0]!.forMs > sample.stuck[0]!.forMs + 1000);
  expect([0, 1, 3].map((index) => isFresh(later, index))).toEqual([true, true, true]);
  expect(isFresh(later, 2)).toBe(false);
  await eventually('an event of another device', () => {
    gpus.raise('xid', 3, 31);
    return running.events.some((e) => e.deviceUuid === gpus.uuids[3]);
  });
  expect(samplers()).toHaveLength(1);
});

test('the device comes back when the call is over', async () => {
  await running.sampler.start();
  await running.sampleWith(() => true);
  gpus.edit(({ hangs }) => hangs.push({ call, device: 0 }));
  await running.sampleWith(isStuck);
  gpus.edit(({ hangs }) => hangs.pop());
  const sample = await running.sampleWith((s) => s.stuck.length === 0 && isFresh(s, 0));
  expect(sample.devices).toHaveLength(4);
});

test('an init that hangs is said, and gets over', async () => {
  gpus.edit(({ hangs }) => hangs.push({ call: 'nvmlInit_v2' }));
  await running.sampler.start();
  const sample = await running.sampleWith(isStuck);
  expect(sample.stuck).toMatchObject([{ deviceIndex: null, deviceUuid: null, call: 'nvmlInit_v2' }]);
  expect(sample.driver.state).toBe('init-failed');
  gpus.edit(({ hangs }) => hangs.pop());
  await running.sampleWith(({ driver, stuck }) => driver.state === 'ok' && stuck.length === 0);
});

test('a wait for events that hangs makes everything unknown until a successor is there', async () => {
  await running.sampler.start();
  await running.sampleWith(() => true);
  gpus.edit(({ hangs }) => hangs.push({ call: 'nvmlEventSetWait_v2' }));
  const sample = await running.sampleWith(isStuck);
  expect(sample.stuck).toMatchObject([{ deviceIndex: null, call: 'nvmlEventSetWait_v2' }]);
});

test('release gets through although the driver does not even close', async () => {
  await running.sampler.start();
  await running.sampleWith(() => true);
  gpus.edit(({ hangs }) => hangs.push({ call: 'nvmlShutdown' }));
  await running.sampler.release();
  expect(running.sampler.latest()?.driver.state).toBe('released');
  await eventually('no sampler', () => samplers().length === 0);
  gpus.edit(({ hangs }) => hangs.pop());
  expect((await running.sampler.acquire()).state).toBe('ok');
});

test('a sampler that is killed or stopped is replaced, and the readings go on', async () => {
  await running.sampler.start();
  await running.sampleWith(() => true);
  const [killed] = samplers();
  process.kill(killed!, 'SIGKILL');
  await eventually('another sampler', () => samplers().some((pid) => pid !== killed));
  const sample = await running.nextSample();
  await running.sampleWith((s) => s !== sample && s.devices.every((d) => d.ageMs < 400));
  expect(await running.metric('infernode_device_sampler_crashes_total')).toBe(1);
  const [stopped] = samplers();
  process.kill(stopped!, 'SIGSTOP');
  await eventually('the stopped one to be gone', () => !existsSync(`/proc/${stopped}`));
  await running.sampleWith((s) => s.devices.every((d) => d.ageMs < 400));
});

test.each(['by itself', 'by process.exit'])(
  'an agent ends %s while a call hangs, and its sampler with it',
  async (how) => {
    gpus.edit(({ hangs }) => hangs.push({ call, device: 1 }));
    const child = spawn(
      process.execPath,
      ['--input-type=module', '-e', agentScript(how === 'by process.exit')],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let output = '';
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect([code, output]).toEqual([0, 'stuck\n']);
    await eventually('no sampler', () => samplers().length === 0);
  },
);

/** Ends without close(): nothing of the sampler may keep the process alive. */
function agentScript(exits: boolean): string {
  const module = (path: string): string =>
    JSON.stringify(new URL(`../../dist/${path}`, import.meta.url).href);
  return `
    import { Registry } from 'prom-client';
    import { DeviceSampler } from ${module('device/sample-devices.js')};
    import { DeviceMetrics } from ${module('device/device-metrics.js')};
    import { systemClock } from ${module('runtime/clock.js')};
    import { silentLogger } from ${module('runtime/logger.js')};
    const sampler = new DeviceSampler({
      libraryPath: ${JSON.stringify(gpus.libraryPath)}, runDir: ${JSON.stringify(running.runDir)}, intervalMs: 50, callDeadlineMs: 300,
      clock: systemClock, logger: silentLogger(), metrics: new DeviceMetrics(new Registry(), 'test'),
    });
    const alive = setInterval(() => {}, 1000);
    sampler.onSample(({ stuck }) => {
      if (stuck.length === 0) return;
      clearInterval(alive);
      process.stdout.write('stuck\\n', () => ${exits ? 'process.exit(0)' : 'undefined'});
    });
    await sampler.start();`;
}

test('close ends the sampler and leaves no file', async () => {
  await running.sampler.start();
  await running.sampleWith(() => true);
  await running.sampler.close();
  await running.sampler.close();
  running.sampler.destroy('test');
  await eventually('no sampler', () => samplers().length === 0);
  expect(readdirSync(running.runDir)).toEqual([]);
});
