/** Series of a device: there with its first sample, gone with it; the optional DCGM names carry the same numbers. */
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { CallTimeHistogram } from '../../../src/device/call-time-histogram.js';
import { DeviceMetrics } from '../../../src/device/device-metrics.js';
import {
  emptyDetails,
  emptyDriverReadings,
  emptyLink,
  nothingRead,
} from '../../../src/domain/device-details.js';
import { emptyReading, type DeviceSample, type NodeSample } from '../../../src/domain/device.js';
import type { CallTimes } from '../../../src/native/nvml.js';
import { aDeviceStatus, deviceUuid } from '../../support/node-fixtures.js';

function device(index: number): DeviceSample {
  return {
    ...nothingRead,
    identity: aDeviceStatus(index).identity,
    reading: {
      ...emptyReading,
      temperatureCelsius: 61,
      gpuUtilizationRatio: 0.5,
      memoryUsedBytes: 512 * 1024 ** 2,
      throttleReasons: 0x44,
    },
    details: { ...emptyDetails, energyJoules: 12.5, violationPowerNs: 3e9, fastReadSeconds: 0.002 },
    parts: {
      ...nothingRead.parts,
      links: [
        { ...emptyLink, active: 1, replayErrors: 2 },
        { ...emptyLink, active: 0, replayErrors: 5 },
      ],
    },
    processes: [],
    error: null,
    ageMs: 0,
  };
}

const sample = (devices: DeviceSample[]): NodeSample => ({
  driver: { state: 'ok', driverVersion: '580.65.06', nvmlVersion: '13' },
  devices,
  readings: emptyDriverReadings,
  stuck: [],
  takenAtMs: 0,
});

it('what is read is a series in base units, and what the part does not have is none', async () => {
  const registry = new Registry();
  const metrics = new DeviceMetrics(registry, 'gpu-a');
  metrics.show(sample([device(0)]));
  const text = await registry.metrics();
  const labels = `node="gpu-a",device="${deviceUuid(0)}"`;
  for (const line of [
    `infernode_device_energy_joules{${labels}} 12.5`,
    `infernode_device_throttled_power_seconds{${labels}} 3`,
    `infernode_device_throttle_active{${labels},reason="software-power-cap"} 1`,
    `infernode_device_throttle_active{${labels},reason="power-brake"} 0`,
    `infernode_device_nvlinks{${labels},state="inactive"} 1`,
    `infernode_device_nvlink_errors{${labels},kind="replay"} 7`,
    `infernode_device_read_seconds{${labels},class="fast"} 0.002`,
    `infernode_device_sample_age_seconds{${labels}} 0`,
  ])
    expect(text).toContain(line);
  expect(text).not.toMatch(/infernode_device_fan_speed_ratio\{/);
  expect(text).not.toContain('DCGM_');
});

it('the series of a device that is gone are gone', async () => {
  const registry = new Registry();
  const metrics = new DeviceMetrics(registry, 'gpu-a');
  metrics.offerDcgmNames(registry);
  metrics.show(sample([device(0), device(1)]));
  expect(await registry.metrics()).toContain(deviceUuid(1));
  metrics.show(sample([device(0)]));
  expect(await registry.metrics()).not.toContain(deviceUuid(1));
});

it('DCGM names carry the same numbers in their own units, and the last Xid', async () => {
  const registry = new Registry();
  const metrics = new DeviceMetrics(registry, 'gpu-a');
  metrics.offerDcgmNames(registry);
  metrics.show(sample([device(0)]));
  const value = async (name: string): Promise<number | undefined> =>
    (await registry.getSingleMetric(`DCGM_FI_DEV_${name}`)!.get()).values[0]?.value;
  expect(await value('GPU_TEMP')).toBe(61);
  expect(await value('GPU_UTIL')).toBe(50);
  expect(await value('FB_USED')).toBe(512);
  expect(await value('TOTAL_ENERGY_CONSUMPTION')).toBe(12_500);
  expect(await value('NVLINK_REPLAY_ERROR_COUNT_TOTAL')).toBe(7);
  expect(await value('XID_ERRORS')).toBe(0);
  metrics.noteXid({
    deviceUuid: deviceUuid(0),
    kind: 'xid',
    code: 79,
    source: 'nvml',
    text: null,
    pid: null,
    receivedAtMs: 0,
    drill: false,
  });
  expect(await value('XID_ERRORS')).toBe(79);
  expect(await registry.metrics()).toContain('# TYPE DCGM_FI_DEV_PCIE_REPLAY_COUNTER counter');
});

it('call times go on over samplers and keep what one had told before it ended', async () => {
  const registry = new Registry();
  const histogram = new CallTimeHistogram(registry, 'gpu-a', () => [0.001, 1]);
  let first: CallTimes[] = [{ call: 'nvmlInit_v2', seconds: 0.5, counts: [0, 1, 0] }];
  const old = { readCallTimes: () => first };
  histogram.show(old);
  await registry.metrics();
  first = [];
  histogram.show({ readCallTimes: () => [{ call: 'nvmlInit_v2', seconds: 2, counts: [1, 0, 1] }] });
  const text = await registry.metrics();
  const labels = 'node="gpu-a",call="nvmlInit_v2"';
  expect(text).toContain(`infernode_nvml_call_seconds_bucket{${labels},le="0.001"} 1`);
  expect(text).toContain(`infernode_nvml_call_seconds_bucket{${labels},le="+Inf"} 3`);
  expect(text).toContain(`infernode_nvml_call_seconds_sum{${labels}} 2.5`);
  expect(text).toContain(`infernode_nvml_call_seconds_count{${labels}} 3`);
});
