/** NVML inside this process, over the simulated library: what `doctor` uses. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Nvml } from '../../src/native/nvml.js';
import { DriverUnavailableError, NativeClosedError, NvmlError } from '../../src/native/native-errors.js';
import { SimulatedGpus } from '../support/simulated-gpus.js';

let gpus: SimulatedGpus;
let nvml: Nvml;
beforeEach(() => {
  gpus = new SimulatedGpus(2);
  nvml = new Nvml(gpus.libraryPath);
});
afterEach(async () => {
  await nvml.close();
  gpus.remove();
});

test('a snapshot holds versions, identities and readings', async () => {
  const { driver, devices } = await nvml.snapshot();
  expect(driver).toMatchObject({ state: 'ok', driverVersion: '580.65.06' });
  expect(devices.map((d) => d.identity?.uuid)).toEqual(gpus.uuids);
  expect(devices[1]?.identity?.serial).toMatch(/^165\d{10}$/);
  expect(devices[1]).toMatchObject({
    index: 1,
    identity: { name: 'NVIDIA H100 80GB HBM3', pciBusId: '00000000:2a:00.0', minorNumber: 1 },
    processes: [],
    error: null,
  });
  const { reading } = devices[0]!;
  expect(reading.memoryTotalBytes).toBe(81_559 * 1024 ** 2);
  expect(reading.temperatureCelsius).toBeGreaterThan(10);
  expect(Object.entries(reading).filter(([, value]) => value === null)).toEqual([]);
});

test('a function that the driver does not have leaves its readings null', async () => {
  gpus.edit((s) => s.missing.push('nvmlDeviceGetPowerUsage', 'nvmlDeviceGetMemoryInfo_v2'));
  const { reading } = (await nvml.snapshot()).devices[0]!;
  expect(reading.powerWatts).toBeNull();
  expect(reading.memoryTotalBytes).toBe(81_559 * 1024 ** 2);
});

test('an Xid is heard', async () => {
  await nvml.snapshot();
  expect(await nvml.waitEvent(10)).toBeNull();
  gpus.raise('xid', 1, 79);
  let event = null;
  for (let n = 0; n < 50 && event === null; n++) event = await nvml.waitEvent();
  expect(event).toEqual({ kind: 'xid', uuid: gpus.uuids[1], code: 79, type: 8 });
});

test('an error of a wait carries the name of code and call', async () => {
  await nvml.snapshot();
  await nvml.waitEvent(10);
  gpus.edit((s) => s.returns.push({ call: 'nvmlEventSetWait_v2', code: 15 }));
  const failed = async (): Promise<void> => {
    for (let n = 0; n < 50; n++) await nvml.waitEvent();
  };
  await expect(failed()).rejects.toMatchObject({
    name: 'NvmlError',
    code: 'NVML_ERROR_GPU_IS_LOST',
    call: 'nvmlEventSetWait_v2',
  });
  await expect(failed()).rejects.toBeInstanceOf(NvmlError);
});

test('released means closed until it is acquired again', async () => {
  await nvml.snapshot();
  await nvml.release();
  expect((await nvml.snapshot()).driver.state).toBe('released');
  await expect(nvml.waitEvent()).rejects.toBeInstanceOf(DriverUnavailableError);
  await nvml.acquire();
  expect((await nvml.snapshot()).devices).toHaveLength(2);
});

test('an absent library is a state of the snapshot and an error of acquire', async () => {
  const absent = new Nvml('/nonexistent/libnvidia-ml.so.1');
  expect((await absent.snapshot()).driver.state).toBe('library-absent');
  await expect(absent.acquire()).rejects.toBeInstanceOf(DriverUnavailableError);
  await absent.close();
});

test('use after close is refused, closing twice is not', async () => {
  await nvml.close();
  await nvml.close();
  await expect(nvml.snapshot()).rejects.toBeInstanceOf(NativeClosedError);
});

test('many calls at once are served one after another', async () => {
  const snapshots = await Promise.all(Array.from({ length: 16 }, () => nvml.snapshot()));
  expect(snapshots.every(({ devices }) => devices.length === 2)).toBe(true);
});
