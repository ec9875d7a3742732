// The heartbeat of a device over the simulated CUDA driver: beats, a hang and a sticky error that are missed beats and cost only
// the process, recovery, and devices that get no heartbeat.
import { existsSync } from 'node:fs';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DeviceHeartbeat } from '../../src/device/device-heartbeat.js';
import { NodeHeartbeats } from '../../src/device/node-heartbeats.js';
import { DeviceProbeMetrics } from '../../src/device/probe-metrics.js';
import type { NodeSample } from '../../src/domain/device.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { eventually } from '../support/running-up.js';
import { SimulatedCuda } from '../support/simulated-cuda.js';

const uuid = 'GPU-01234567-89ab-cdef-0123-456789abcdef';
const sound = `uuid ${uuid}`;
let cuda: SimulatedCuda;
let registry: Registry;
let beat: DeviceHeartbeat | null = null;
beforeEach(() => {
  cuda = new SimulatedCuda(sound);
  registry = new Registry();
});
afterEach(() => {
  cuda.scenario(sound);
  beat?.close();
  beat = null;
  cuda.remove();
});

const options = (): ConstructorParameters<typeof DeviceHeartbeat>[0] => ({
  library: cuda.library,
  deviceUuid: uuid,
  intervalMs: 20,
  missedAfterMs: 1500,
  clock: systemClock,
  logger: silentLogger(),
  metrics: new DeviceProbeMetrics(registry, 'gpu-a'),
  env: { ...process.env, ...cuda.env },
});
const start = (): DeviceHeartbeat => (beat = new DeviceHeartbeat(options()));
const valueOf = async (name: string): Promise<number | undefined> =>
  (await registry.getSingleMetric(name)?.get())?.values[0]?.value;

test('beats are heard, with their latency', async () => {
  const heartbeat = start();
  expect(heartbeat.missed).toBeNull();
  await eventually('a beat', () => heartbeat.missed === false);
  expect(await valueOf('infernode_device_heartbeat_latency_seconds')).toBeGreaterThan(0);
  expect(await valueOf('infernode_device_heartbeat_missed')).toBe(0);
});

test('a hang is a missed beat; the process is replaced, and the beat comes back', async () => {
  const heartbeat = start();
  await eventually('a beat', () => heartbeat.missed === false);
  const first = heartbeat.pid!;
  cuda.scenario(sound, 'hang launch:infernode_probe_beat');
  await eventually('a missed beat', () => heartbeat.missed === true);
  expect(await valueOf('infernode_device_heartbeat_missed')).toBe(1);
  await eventually('the end of the process', () => !existsSync(`/proc/${first}`));
  cuda.scenario(sound);
  await eventually('a beat again', () => heartbeat.missed === false);
  expect(heartbeat.pid).not.toBe(first);
  expect(await valueOf('infernode_device_heartbeat_restarts_total')).toBeGreaterThanOrEqual(1);
});

test('a sticky error ends the process, never this one', async () => {
  const heartbeat = start();
  await eventually('a beat', () => heartbeat.missed === false);
  cuda.scenario(sound, 'fail launch:infernode_probe_beat CUDA_ERROR_ECC_UNCORRECTABLE');
  await eventually('a missed beat', () => heartbeat.missed === true);
  cuda.scenario(sound);
  await eventually('a beat again', () => heartbeat.missed === false);
});

test('a driver that is not there is no missed beat', async () => {
  cuda.scenario('devices 0');
  const heartbeat = start();
  await eventually(
    'a second try',
    async () => ((await valueOf('infernode_device_heartbeat_restarts_total')) ?? 0) > 0,
  );
  expect(heartbeat.missed).toBeNull();
});

test('close ends the process, twice too', async () => {
  const heartbeat = start();
  await eventually('a beat', () => heartbeat.missed === false);
  const { pid } = heartbeat;
  heartbeat.close();
  heartbeat.close();
  await eventually('the end of the process', () => !existsSync(`/proc/${pid}`));
});

const sampleOf = (freeBytes: number, state = 'ok'): NodeSample =>
  ({
    driver: { state },
    devices: [{ identity: { uuid }, reading: { memoryTotalBytes: 80e9, memoryUsedBytes: 80e9 - freeBytes } }],
  }) as unknown as NodeSample;

test('a device has a heartbeat when it is asked for, there is memory, and the driver is not released', async () => {
  const rest = options();
  const off = new NodeHeartbeats({ ...rest, enabled: false, minFreeBytes: 1e9 });
  off.handleSample(sampleOf(40e9));
  expect(off.missed(uuid)).toBeNull();
  const beats = new NodeHeartbeats({ ...rest, enabled: true, minFreeBytes: 1e9 });
  try {
    beats.handleSample(sampleOf(5e8));
    expect(beats.pids).toEqual([]);
    beats.handleSample(sampleOf(40e9));
    await eventually('a beat', () => beats.missed(uuid) === false);
    const [pid] = beats.pids;
    beats.handleSample(sampleOf(5e8));
    expect(beats.missed(uuid)).toBe(false);
    beats.handleSample(sampleOf(40e9, 'released'));
    await eventually('the end of the process', () => !existsSync(`/proc/${pid}`));
    expect(beats.missed(uuid)).toBeNull();
  } finally {
    beats.close();
  }
});
