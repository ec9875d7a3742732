/** A driver that crawls: expensive classes are put off by the time they took, and the fast class keeps its beat. */
import { afterEach, expect, it } from 'vitest';
import { RunningSampler } from '../support/running-sampler.js';
import { SimulatedGpus } from '../support/simulated-gpus.js';

let gpus: SimulatedGpus;
let running: RunningSampler;
afterEach(async () => {
  await running.end();
  gpus.remove();
});

it('a slow class that takes long is put off while fast readings go on', async () => {
  gpus = new SimulatedGpus(2);
  // Asked in the slow class only, three times: at least 0.3 s, and a rest of 6 s, twenty times that.
  gpus.edit((s) => void s.delays.push({ call: 'nvmlDeviceGetTemperatureThreshold', device: 0, us: 100_000 }));
  running = new RunningSampler(gpus.libraryPath, { callDeadlineMs: 5000 });
  await running.sampler.start();
  const crawling = await running.sampleWith(
    ({ devices }) => (devices[0]?.details.readsPutOff ?? 0) > 0 && devices.length === 2,
  );
  expect(crawling.devices[0]!.details.slowReadSeconds).toBeGreaterThan(0.3);
  expect(crawling.devices[0]!.details.slowdownCelsius).toBe(92);
  // And what is fast stays fresh on the slow one.
  gpus.edit((s) => void (s.devices[0]!.set.temperatureCelsius = 55));
  await running.sampleWith(({ devices }) => devices[0]?.reading.temperatureCelsius === 55);
});

it('confidential computing, exclusions, links, MIG instances and peers come through the sampler', async () => {
  gpus = new SimulatedGpus(2);
  gpus.edit((s) => {
    Object.assign(s, {
      confidentialCompute: true,
      confidentialReady: false,
      excluded: [{ uuid: 'GPU-x', pciBusId: '00000000:99:00.0' }],
    });
    s.devices[1]!.set.migMode = 1;
    s.devices[1]!.set.mig = [
      { uuid: 'MIG-a', gpuInstanceId: 3, computeInstanceId: 0, memoryBytes: 2 ** 30, slices: 1 },
    ];
  });
  running = new RunningSampler(gpus.libraryPath);
  await running.sampler.start();
  const sample = await running.sampleWith(
    ({ devices, readings }) =>
      readings.confidentialFeature !== null && (devices[0]?.parts.peers?.length ?? 0) > 1,
  );
  expect(sample.readings).toEqual({ confidentialFeature: 1, confidentialReady: 0, excludedDevices: 1 });
  expect(sample.devices[0]!.parts.links).toHaveLength(18);
  expect(sample.devices[0]!.parts.peers).toEqual([null, 0]);
  expect(sample.devices[0]!.details.inforomCorrupt).toBe(0);
  expect(sample.devices[1]!.parts.migs).toMatchObject([
    { uuid: 'MIG-a', gpuInstance: 3, memoryTotalBytes: 2 ** 30 },
  ]);
  expect(await running.metric('infernode_nvml_call_seconds', { call: 'nvmlInit_v2' })).toBeGreaterThanOrEqual(
    0,
  );
});

it('a reading that fails is told from one that the part does not have', async () => {
  gpus = new SimulatedGpus(1);
  gpus.edit((s) => {
    s.returns.push({ call: 'nvmlDeviceGetPowerUsage', device: 0, code: 999 });
    s.devices[0]!.set.memoryTemperatureCelsius = null;
  });
  running = new RunningSampler(gpus.libraryPath);
  await running.sampler.start();
  const { devices } = await running.nextSample();
  expect(devices[0]!.reading).toMatchObject({ powerWatts: null, memoryTemperatureCelsius: null });
  expect(devices[0]!.failed).toEqual(['powerWatts']);
});
