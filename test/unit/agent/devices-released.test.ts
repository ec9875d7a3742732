/**
 * When a device counts as given back: none of the engine's processes on the driver's list, and no memory left that nobody on
 * the list accounts for. The driver lists a dead process no more before its memory is free.
 */
import { expect, it } from 'vitest';
import { areDevicesReleased } from '../../../src/agent-parts.js';
import { emptyDriverReadings, nothingRead } from '../../../src/domain/device-details.js';
import { emptyReading, type DeviceSample, type NodeSample } from '../../../src/domain/device.js';
import { aDeviceStatus, deviceUuid } from '../../support/node-fixtures.js';

const gibibyte = 1024 ** 3;
const enginePid = 4711;

const process = (pid: number, memoryBytes: number | null) => ({ pid, memoryBytes });

function answer(device: Partial<DeviceSample>, usedBytes: number | null): Promise<boolean> {
  const sample: NodeSample = {
    driver: { state: 'ok', driverVersion: '580.65.06', nvmlVersion: '13' },
    devices: [
      {
        identity: aDeviceStatus(0).identity,
        ...nothingRead,
        reading: { ...emptyReading, memoryUsedBytes: usedBytes },
        processes: [],
        error: null,
        ageMs: 0,
        ...device,
      },
    ],
    readings: emptyDriverReadings,
    stuck: [],
    takenAtMs: 0,
  };
  return areDevicesReleased({ sampleNow: () => Promise.resolve(sample) }, [deviceUuid(0)], [enginePid]);
}

it.each<[string, Partial<DeviceSample>, number | null, boolean]>([
  ['nothing is listed and nothing used', {}, 0, true],
  ['the driver keeps a little for itself', {}, 0.6 * gibibyte, true],
  ['one of its processes is listed', { processes: [process(enginePid, 0)] }, 0, false],
  ['its processes are gone and their memory is not', {}, 60 * gibibyte, false],
  ['another process accounts for all of it', { processes: [process(9, 60 * gibibyte)] }, 60 * gibibyte, true],
  ['another process accounts for a part', { processes: [process(9, gibibyte)] }, 60 * gibibyte, false],
  ['another process does not tell', { processes: [process(9, null)] }, 60 * gibibyte, true],
  ['no list, memory free', { processes: null }, 0, true],
  ['no list, memory used', { processes: null }, 60 * gibibyte, false],
  ['memory is not told, the list is empty', {}, null, true],
  ['neither is told', { processes: null }, null, false],
  ['the device is in error', { error: { code: 'NVML_ERROR_GPU_IS_LOST', call: 'x' } }, 0, false],
])('%s', async (_what, device, usedBytes, released) => {
  expect(await answer(device, usedBytes)).toBe(released);
});

it('a device that was not read after the question proves nothing', async () => {
  const sampler = { sampleNow: () => Promise.resolve(null) };
  expect(await areDevicesReleased(sampler, [deviceUuid(0)], [])).toBe(false);
});
