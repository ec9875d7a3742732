/** Absent library, unusable library, failed init and no device are four answers, and each may pass. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DriverState } from '../../src/domain/device.js';
import { RunningSampler } from '../support/running-sampler.js';
import { SimulatedGpus } from '../support/simulated-gpus.js';

let gpus: SimulatedGpus;
let running: RunningSampler | null = null;
beforeEach(() => void (gpus = new SimulatedGpus(2)));
afterEach(async () => {
  await running?.end();
  gpus.remove();
});

async function answerOf(libraryPath: string): Promise<{ state: DriverState['state']; reason: string }> {
  running = new RunningSampler(libraryPath);
  await running.sampler.start();
  const { driver, devices } = await running.sampleWith(() => true);
  expect(devices).toEqual([]);
  return { reason: '', ...driver };
}

test('a path without a file', async () => {
  const { state, reason } = await answerOf(join(gpus.directory, 'absent.so'));
  expect(state).toBe('library-absent');
  expect(reason).toContain('absent.so');
});

test('a name that the loader does not find', async () => {
  expect((await answerOf('libinfernode-no-such-library.so.1')).state).toBe('library-absent');
});

test('a file that is no library', async () => {
  const path = join(gpus.directory, 'text.so');
  writeFileSync(path, 'not a library');
  expect((await answerOf(path)).state).toBe('library-unusable');
});

test('a library without the symbols', async () => {
  const { state, reason } = await answerOf('libc.so.6');
  expect(state).toBe('library-unusable');
  expect(reason).toContain('nvmlInit_v2');
});

test('a failing init, until it works', async () => {
  gpus.edit(({ returns }) => returns.push({ call: 'nvmlInit_v2', code: 9 }));
  const { state, reason } = await answerOf(gpus.libraryPath);
  expect([state, reason]).toEqual(['init-failed', 'nvmlInit_v2 answered NVML_ERROR_DRIVER_NOT_LOADED']);
  gpus.edit(({ returns }) => returns.pop());
  const sample = await running!.sampleWith(({ driver }) => driver.state === 'ok');
  expect(sample.devices).toHaveLength(2);
});

test('no device, until there is one', async () => {
  let devices: unknown[] = [];
  gpus.edit((s) => (devices = s.devices.splice(0)));
  expect((await answerOf(gpus.libraryPath)).state).toBe('no-device');
  gpus.edit((s) => s.devices.push(...(devices as typeof s.devices)));
  await running!.sampleWith(({ driver }) => driver.state === 'ok');
});

test('a driver that goes away while it is open', async () => {
  running = new RunningSampler(gpus.libraryPath);
  await running.sampler.start();
  await running.sampleWith(({ devices }) => devices.length === 2);
  gpus.edit(({ returns }) => returns.push({ call: '*', code: 9 }));
  await running.sampleWith(({ driver }) => driver.state === 'init-failed');
  gpus.edit(({ returns }) => returns.pop());
  await running.sampleWith(({ driver, devices }) => driver.state === 'ok' && devices.length === 2);
});

test('release frees the driver and acquire opens it again', async () => {
  running = new RunningSampler(gpus.libraryPath);
  const { sampler } = running;
  await sampler.start();
  await running.sampleWith(() => true);
  await sampler.release();
  expect(sampler.latest()).toMatchObject({ driver: { state: 'released' }, devices: [] });
  await running.nextSample();
  expect(sampler.latest()?.driver.state).toBe('released');
  expect((await sampler.acquire()).state).toBe('ok');
  expect(sampler.latest()?.devices).toHaveLength(2);
});
