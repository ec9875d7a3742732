/** What reaches the agent from healthy and sick GPUs, through a real sampler process over the simulated library. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NodeSample } from '../../src/domain/device.js';
import { registerProcess } from '../../src/sim/engine/process-file.js';
import { addXid, findDevice, forceReturn, loseDevice } from '../../src/sim/gpu-edits.js';
import { nvmlReturnCodes } from '../../src/sim/nvml-return-codes.js';
import { eventually } from '../support/running-up.js';
import { RunningSampler } from '../support/running-sampler.js';
import { SimulatedGpus } from '../support/simulated-gpus.js';

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

const uuidsOf = (sample: NodeSample): string[] => sample.devices.map((d) => d.identity.uuid);
const first = (): Promise<NodeSample> => running.sampleWith(() => true);

test('the first sample holds every device', async () => {
  await running.sampler.start();
  const sample = await first();
  expect(sample.driver).toMatchObject({ state: 'ok', driverVersion: '580.65.06' });
  expect(uuidsOf(sample)).toEqual(gpus.uuids);
  expect(sample.stuck).toEqual([]);
  expect(readdirSync(running.runDir)).toEqual([]);
});

test('a changed reading is in the next sample and in the metrics, and goes with its device', async () => {
  await running.sampler.start();
  gpus.edit(({ devices }) => (devices[2]!.set = { temperatureCelsius: 95 }));
  await running.sampleWith(({ devices }) => devices[2]?.reading.temperatureCelsius === 95);
  const name = 'infernode_device_temperature_celsius';
  expect(await running.metric(name, { node: 'test', device: gpus.uuids[2]! })).toBe(95);
  gpus.edit(({ devices }) => devices.splice(2, 2));
  await running.sampleWith(({ devices }) => devices.length === 2);
  expect(await running.metric(name, { device: gpus.uuids[2]! })).toBeUndefined();
  expect(await running.metric(name, { device: gpus.uuids[1]! })).toBeTypeOf('number');
});

test('an Xid becomes an event', async () => {
  await running.sampler.start();
  await first();
  // An event set hears only what happens after it was registered, which is a moment after the first reading.
  await eventually('an event', () => {
    gpus.raise('xid', 1, 79);
    return running.events.length > 0;
  });
  expect(running.events[0]).toMatchObject({
    deviceUuid: gpus.uuids[1],
    kind: 'xid',
    code: 79,
    source: 'nvml',
  });
  expect(await running.metric('infernode_device_events_total', { kind: 'xid' })).toBeGreaterThan(0);
});

test('a lost device keeps its name and says so; the others are read on', async () => {
  await running.sampler.start();
  await first();
  gpus.edit(({ devices }) => (devices[1]!.lost = true));
  const sample = await running.sampleWith(({ devices }) => devices[1]?.error !== null);
  expect(uuidsOf(sample)).toEqual(gpus.uuids);
  expect(sample.devices[1]).toMatchObject({
    error: { code: 'NVML_ERROR_GPU_IS_LOST' },
    reading: { temperatureCelsius: null, memoryUsedBytes: null },
  });
  expect(sample.devices[2]?.reading.temperatureCelsius).toBeTypeOf('number');
  gpus.edit(({ devices }) => (devices[1]!.lost = false));
  await running.sampleWith(({ devices }) => devices[1]?.error === null);
});

test('a device that answers UNKNOWN to everything is in error', async () => {
  await running.sampler.start();
  await first();
  gpus.edit(({ returns }) => returns.push({ call: '*', device: 3, code: 999 }));
  const sample = await running.sampleWith(({ devices }) => Boolean(devices[3]?.error));
  expect(sample.devices[3]?.error?.code).toBe('NVML_ERROR_UNKNOWN');
  expect(sample.devices[0]?.error).toBeNull();
});

test('a process that holds a device is seen at once when asked for', async () => {
  await running.sampler.start();
  await first();
  const startTime = readStartTime(process.pid);
  writeFileSync(
    join(gpus.directory, 'processes', `${process.pid}.json`),
    JSON.stringify({
      pid: process.pid,
      startTime,
      name: 'VLLM::EngineCore',
      devices: [{ uuid: gpus.uuids[0], bytes: 7_000_000_000 }],
      releaseDelayMs: 0,
    }),
  );
  await eventually('the process', async () => {
    const sample = await running.sampler.sampleNow();
    return sample?.devices[0]?.processes?.length === 1;
  });
  expect(running.sampler.processesOf(gpus.uuids[0]!)).toEqual([
    { pid: process.pid, memoryBytes: 7_000_000_000, gpuInstance: null },
  ]);
  expect(running.sampler.processesOf(gpus.uuids[1]!)).toEqual([]);
  expect(running.sampler.processesOf('GPU-unknown')).toBeNull();
});

test('a GPU that vanishes and comes back, again and again, never lends its name to the one behind it', async () => {
  const celsius = new Map(gpus.uuids.map((uuid, n) => [uuid, 40 + n]));
  gpus.edit(({ devices }) => devices.forEach(({ set }, n) => (set.temperatureCelsius = 40 + n)));
  await running.sampler.start();
  const mixedUp: unknown[] = [];
  running.sampler.onSample(({ devices }) => {
    for (const { identity, reading, error } of devices)
      if (error === null && reading.temperatureCelsius !== celsius.get(identity.uuid))
        mixedUp.push([identity, reading.temperatureCelsius]);
  });
  for (let n = 0; n < 5; n++) {
    gpus.edit((scenario) => loseDevice(scenario, 0, true));
    await running.sampleWith(({ devices }) => devices.length === 3);
    gpus.edit((scenario) => findDevice(scenario, 0));
    await running.sampleWith(({ devices }) => devices.length === 4);
  }
  expect(mixedUp).toEqual([]);
});

test('while one GPU vanishes and comes back, the others are read as often as those of a node where nothing happens', async () => {
  // Two nodes on the same machine, so that a machine that is slow is slow for both.
  const calmGpus = new SimulatedGpus(4);
  const calm = new RunningSampler(calmGpus.libraryPath, { intervalMs: 100 });
  const flapping = new RunningSampler(gpus.libraryPath, { intervalMs: 100 });
  const calmReadings = countReadings(calm, calmGpus.uuids[3]!);
  const flappingReadings = countReadings(flapping, gpus.uuids[3]!);
  try {
    await Promise.all([calm.sampler.start(), flapping.sampler.start()]);
    for (let n = 0; n < 3; n++) {
      gpus.edit((scenario) => loseDevice(scenario, 0, true));
      await flapping.sampleWith(({ devices }) => devices.length === 3);
      gpus.edit((scenario) => findDevice(scenario, 0));
      await flapping.sampleWith(({ devices }) => devices.length === 4);
    }
    await eventually('enough was read', () => calmReadings.count >= 30);
    expect(flappingReadings.count / calmReadings.count).toBeGreaterThan(0.9);
  } finally {
    await Promise.all([calm.end(), flapping.end()]);
    calmGpus.remove();
  }
});

test('a wait for events that fails is told, and told again when a new event set works', async () => {
  await running.sampler.start();
  await first();
  const broken = () => running.kernelNews.flatMap((news) => (news.kind === 'event-set' ? [news.broken] : []));
  gpus.edit((scenario) => forceReturn(scenario, 'nvmlEventSetWait_v2', nvmlReturnCodes.UNKNOWN!));
  await eventually('it is told', () => broken().length > 0);
  gpus.edit((scenario) => forceReturn(scenario, 'nvmlEventSetWait_v2', 0));
  await eventually('it works again', () => broken().length === 2);
  expect(broken()).toEqual([true, false]);
  await eventually('an event comes through the new set', () => {
    gpus.raise('xid', 1, 79);
    return running.events.length > 0;
  });
});

test('an NVLink error has peer access read anew', async () => {
  await running.sampler.start();
  await running.sampleWith(({ devices }) => devices[0]?.parts.peers?.[1] === 0);
  gpus.edit(({ devices }) => (devices[0]!.set.p2p = { 1: 3 }));
  await eventually('the pair is seen to be broken', () => {
    gpus.raise('xid', 0, 74);
    return running.sampler.latest()?.devices[0]?.parts.peers?.[1] === 3;
  });
});

test('with MIG a process and an event belong to their GPU instance', async () => {
  gpus.edit(({ devices }) => {
    const instance = (uuid: string, gpuInstanceId: number) => ({ uuid, gpuInstanceId });
    const rest = { computeInstanceId: 0, memoryBytes: 20 * 2 ** 30, slices: 3 };
    devices[0]!.set.migMode = 1;
    devices[0]!.set.mig = [instance('MIG-a', 1), instance('MIG-b', 2)].map((one) => ({ ...one, ...rest }));
  });
  await running.sampler.start();
  await first();
  registerProcess({
    ...{ nodeDirectory: gpus.directory, name: 'engine', releaseDelayMs: 0 },
    devices: [{ uuid: 'MIG-b', bytes: 1e9 }],
  });
  await eventually('the process, with its instance', async () => {
    const processes = (await running.sampler.sampleNow())?.devices[0]?.processes;
    return processes?.length === 1 && processes[0]?.gpuInstance === 2;
  });
  // Only what is newer than the registration is told, and nothing tells of that.
  await eventually('an event', () => {
    gpus.edit((scenario) => void addXid(scenario, 0, 94, { gpuInstanceId: 2 }));
    return Promise.resolve(running.events.length > 0);
  });
  expect(running.events[0]).toMatchObject({ code: 94, gpuInstance: 2, deviceUuid: gpus.uuids[0] });
});

test('a sample on demand holds only what was read after the question', async () => {
  await running.sampler.start();
  await first();
  gpus.edit(({ hangs }) => hangs.push({ call: 'nvmlDeviceGetPowerUsage', device: 2 }));
  await running.sampleWith(({ stuck }) => stuck.length > 0);
  const sample = await running.sampler.sampleNow();
  expect(sample?.devices.map((d) => d.identity.index)).toEqual([0, 1, 3]);
  expect(running.sampler.latest()?.devices).toHaveLength(4);
});

test('a listener that throws does not keep the news from the next', async () => {
  running.sampler.onSample(() => {
    throw new Error('test');
  });
  await running.sampler.start();
  await first();
});

/** How often one device was read; an answer told twice, with the age of its second telling, counts once. */
function countReadings({ sampler }: RunningSampler, uuid: string): { count: number } {
  const readings = { count: 0 };
  let lastMs = Number.NEGATIVE_INFINITY;
  sampler.onSample(({ devices, takenAtMs }) => {
    const device = devices.find(({ identity }) => identity.uuid === uuid);
    if (!device || device.error !== null || takenAtMs - device.ageMs <= lastMs + 5) return;
    lastMs = takenAtMs - device.ageMs;
    readings.count++;
  });
  return readings;
}

function readStartTime(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!;
}
