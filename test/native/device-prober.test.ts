// Short probes on demand over the simulated CUDA driver: what health is told, and that two who ask get one probe.
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DeviceProber } from '../../src/device/device-prober.js';
import { DeviceProbeMetrics } from '../../src/device/probe-metrics.js';
import { systemClock } from '../../src/runtime/clock.js';
import { SimulatedCuda } from '../support/simulated-cuda.js';

const uuid = 'GPU-01234567-89ab-cdef-0123-456789abcdef';
let cuda: SimulatedCuda;
let prober: DeviceProber;
const registry = new Registry();
beforeEach(() => {
  registry.clear();
  cuda = new SimulatedCuda(`uuid ${uuid}`);
  prober = new DeviceProber({
    library: cuda.library,
    memoryMiB: 1,
    timeLimitMs: 60_000,
    clock: systemClock,
    metrics: new DeviceProbeMetrics(registry, 'gpu-a'),
    env: { ...process.env, ...cuda.env },
  });
});
afterEach(() => cuda.remove());

test('the last result of a device is kept; one that could not be asked is no result', async () => {
  expect(prober.results.get(uuid)).toBeUndefined();
  await prober.probe(uuid);
  expect(prober.results.get(uuid)).toEqual({ deviceUuid: uuid, passed: true, reason: '' });
  cuda.scenario(`uuid ${uuid}`, 'corrupt launch:infernode_probe_fill');
  await prober.probe(uuid);
  expect(prober.results.get(uuid)).toMatchObject({
    passed: false,
    reason: expect.stringMatching(/memory pattern/) as string,
  });
  cuda.scenario('devices 0');
  await prober.probe(uuid);
  expect(prober.results.get(uuid)).toBeUndefined();
});

test('two who ask at once get one probe', async () => {
  const [first, second] = await Promise.all([prober.probe(uuid), prober.probe(uuid)]);
  expect(second).toBe(first);
  const counted = await registry.getSingleMetric('infernode_device_probes_total')?.get();
  expect(counted?.values).toMatchObject([{ value: 1 }]);
});
