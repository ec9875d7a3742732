// The short probe of a device over the simulated CUDA driver: a pass, each kind of failure told by its step, what says nothing
// about the device, and processes that hang or cannot be started.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Registry } from 'prom-client';
import { probeDevice } from '../../src/device/probe-device.js';
import { killGraceMs } from '../../src/device/probe-child.js';
import { DeviceProbeMetrics } from '../../src/device/probe-metrics.js';
import type { ProbeVerdict } from '../../src/domain/gpu-probe.js';
import { systemClock, type Clock } from '../../src/runtime/clock.js';
import { SimulatedCuda } from '../support/simulated-cuda.js';

let cuda: SimulatedCuda;
let registry: Registry;
let metrics: DeviceProbeMetrics;
beforeEach(() => {
  cuda = new SimulatedCuda();
  registry = new Registry();
  metrics = new DeviceProbeMetrics(registry, 'gpu-a');
});
afterEach(() => cuda.remove());

const uuid = 'GPU-01234567-89ab-cdef-0123-456789abcdef';

function probe(
  changes: { library?: string; device?: string; timeLimitMs?: number; clock?: Clock } = {},
): Promise<ProbeVerdict> {
  return probeDevice({
    library: cuda.library,
    device: '0',
    memoryMiB: 4,
    timeLimitMs: 60_000,
    clock: systemClock,
    env: { ...process.env, ...cuda.env },
    metrics,
    ...changes,
  });
}

test('a sound device passes every step, and says that it is simulated', async () => {
  const { verdict, device, steps } = await probe();
  expect(verdict).toBe('pass');
  expect(device?.name).toContain('simulated');
  expect(steps.map(({ name, result }) => `${name} ${result}`)).toEqual([
    'context pass',
    'memory pass',
    'matrix pass',
    'copy pass',
    'graph pass',
  ]);
  const copy = steps.find(({ name }) => name === 'copy')!;
  expect(copy.values['hostToDeviceBytesPerSecond']).toBeGreaterThan(0);
  expect(await registry.getSingleMetricAsString('infernode_device_probes_total')).toContain(
    'verdict="pass"} 1',
  );
});

test('a device is found by UUID, whatever its index', async () => {
  cuda.scenario('devices 2', 'uuid GPU-00000000-0000-0000-0000-000000000007', `uuid ${uuid}`);
  expect((await probe({ device: uuid })).device).toMatchObject({ index: 1, uuid });
});

describe('a device that is sick fails, and the step is named', () => {
  test.each([
    [
      'corrupt launch:infernode_probe_fill',
      'memory',
      'INFERNODE_WRONG_ANSWER',
      /1 wrong words, the first at byte 0/,
    ],
    [
      'corrupt launch:infernode_probe_matrix',
      'matrix',
      'INFERNODE_WRONG_ANSWER',
      /matrix product: 16 wrong words/,
    ],
    ['corrupt launch:infernode_probe_beat', 'graph', 'INFERNODE_WRONG_ANSWER', /the device counted/],
    [
      'fail launch:infernode_probe_verify CUDA_ERROR_ECC_UNCORRECTABLE',
      'memory',
      'CUDA_ERROR_ECC_UNCORRECTABLE',
      /./,
    ],
    [
      'fail launch:infernode_probe_matrix CUDA_ERROR_LAUNCH_TIMEOUT',
      'matrix',
      'CUDA_ERROR_LAUNCH_TIMEOUT',
      /./,
    ],
    [
      'fail copy:host-to-device CUDA_ERROR_ILLEGAL_ADDRESS after 5',
      'copy',
      'CUDA_ERROR_ILLEGAL_ADDRESS',
      /./,
    ],
    ['fail cuGraphLaunch CUDA_ERROR_ILLEGAL_ADDRESS', 'graph', 'CUDA_ERROR_ILLEGAL_ADDRESS', /cuGraphLaunch/],
    [
      'fail cuDevicePrimaryCtxRetain CUDA_ERROR_UNKNOWN',
      'context',
      'CUDA_ERROR_UNKNOWN',
      /cuDevicePrimaryCtxRetain/,
    ],
  ])('%s', async (line, step, code, reason) => {
    cuda.scenario(line);
    const { verdict, steps, ...rest } = await probe();
    expect(verdict).toBe('fail');
    expect(rest).toMatchObject({ code, reason: expect.stringMatching(reason) as string });
    expect(steps.at(-1)).toMatchObject({ name: step, result: 'fail' });
  });
});

describe('what says nothing about the device is unavailable', () => {
  test.each([
    ['no device', ['devices 0'], 'no-device'],
    ['an old driver', ['driver 11020'], 'driver-too-old'],
    ['an init that fails', ['fail cuInit CUDA_ERROR_SYSTEM_DRIVER_MISMATCH'], 'init-failed'],
    ['an engine that has taken all memory', ['memory 67108900'], 'CUDA_ERROR_OUT_OF_MEMORY'],
    ['a device before Ampere', ['compute 75'], 'CUDA_ERROR_NO_BINARY_FOR_GPU'],
  ])('%s', async (_, lines, code) => {
    cuda.scenario(...lines);
    expect(await probe()).toMatchObject({ verdict: 'unavailable', code });
  });

  test('an absent library, and a device that is not listed', async () => {
    expect(await probe({ library: '/nowhere/libcuda.so.1' })).toMatchObject({
      verdict: 'unavailable',
      code: 'library-absent',
      device: null,
    });
    expect(await probe({ device: uuid })).toMatchObject({ verdict: 'unavailable', code: 'no-device' });
  });
});

test('a call that hangs ends the process at its time limit, and the step is named', async () => {
  cuda.scenario('hang launch:infernode_probe_matrix');
  const { verdict, code, steps } = await probe({ timeLimitMs: 1500 });
  expect({ verdict, code }).toEqual({ verdict: 'fail', code: 'INFERNODE_TIMEOUT' });
  expect(steps.at(-1)).toMatchObject({ name: 'matrix', result: 'fail' });
});

test('an agent is not kept waiting by a process that ignores its own limit', async () => {
  // A library that never returns from its own loading cannot be had; a stopped process is as silent.
  cuda.scenario('hang launch:infernode_probe_fill');
  const pending = probeDevice({
    library: cuda.library,
    device: '0',
    memoryMiB: 1,
    timeLimitMs: 1,
    // The child is given a minute by the clock that it sees, the parent's says that the time is over.
    clock: { ...systemClock, after: (ms, callback) => systemClock.after(Math.min(ms, 1), callback) },
    env: { ...process.env, ...cuda.env },
  });
  const { verdict, code } = await pending;
  expect(verdict).toBe('fail');
  expect(['INFERNODE_PROBE_STUCK', 'INFERNODE_TIMEOUT']).toContain(code);
});

// No process can be made that SIGKILL does not end: here the grace after it runs out before the end is heard of.
test('a process that cannot be ended is abandoned, told and counted, once', async () => {
  const asked: number[] = [];
  const clock: Clock = {
    ...systemClock,
    after(ms, callback) {
      asked.push(ms);
      if (ms !== killGraceMs) return systemClock.after(0, callback);
      callback();
      return { cancel: () => undefined };
    },
  };
  const verdict = await probe({ clock });
  expect(asked).toEqual([61_000, killGraceMs]);
  expect(verdict).toMatchObject({ verdict: 'fail', code: 'INFERNODE_PROBE_STUCK' });
  expect(verdict.reason).toMatch(/cannot be ended 2000 ms after SIGKILL/);
  const counted = await registry.getSingleMetric('infernode_device_probes_abandoned_total')?.get();
  expect(counted?.values).toMatchObject([{ value: 1 }]);
});
