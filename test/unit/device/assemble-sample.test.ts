/** What is said of devices that could not be read. */
import { expect, test } from 'vitest';
import { SampleAssembler, type SampleInputs } from '../../../src/device/assemble-sample.js';
import { aRawDevice, aRawSnapshot } from '../../support/fake-sampler.js';

const inputs = (overrides: Partial<SampleInputs> = {}): SampleInputs => ({
  raw: aRawSnapshot(),
  stuck: [],
  skip: new Set(),
  without: null,
  nowMs: 1000,
  ...overrides,
});
const onlyFirst = aRawSnapshot({ devices: [aRawDevice(0)] });
const stuckCall = { deviceIndex: 1, call: 'nvmlDeviceGetTemperature', sinceMs: 500 };
const uuids = (assembler: SampleAssembler, overrides: Partial<SampleInputs>): string[] =>
  assembler.assemble(inputs(overrides)).devices.map((d) => d.identity.uuid);

test('a sample waits for devices that have not been read yet, so that none seems to be missing', () => {
  const assembler = new SampleAssembler();
  expect(assembler.isWhole(inputs({ raw: onlyFirst }))).toBe(false);
  expect(assembler.isWhole(inputs())).toBe(true);
});

test('a sample does not wait for a device that is stuck or left out', () => {
  const assembler = new SampleAssembler();
  expect(assembler.isWhole(inputs({ raw: onlyFirst, stuck: [stuckCall] }))).toBe(true);
  expect(assembler.isWhole(inputs({ raw: onlyFirst, skip: new Set([1]) }))).toBe(true);
});

test('a device that is left out stays listed with its last reading, which gets older', () => {
  const assembler = new SampleAssembler();
  assembler.assemble(inputs());
  const sample = assembler.assemble(
    inputs({ raw: onlyFirst, stuck: [stuckCall], skip: new Set([1]), nowMs: 4000 }),
  );
  expect(sample.devices[1]).toMatchObject({ identity: { uuid: 'GPU-1' }, ageMs: 3005 });
  expect(sample.stuck).toEqual([
    { deviceIndex: 1, deviceUuid: 'GPU-1', call: 'nvmlDeviceGetTemperature', forMs: 3500 },
  ]);
});

test('a device that hung before it told its name is stuck by index only', () => {
  const sample = new SampleAssembler().assemble(inputs({ raw: onlyFirst, stuck: [stuckCall] }));
  expect(sample.devices.map((d) => d.identity.uuid)).toEqual(['GPU-0']);
  expect(sample.stuck[0]).toMatchObject({ deviceIndex: 1, deviceUuid: null });
});

test('a lost device keeps the name that stood at its index', () => {
  const assembler = new SampleAssembler();
  assembler.assemble(inputs());
  const error = { code: 'NVML_ERROR_GPU_IS_LOST', call: 'nvmlDeviceGetHandleByIndex_v2' };
  const lost = aRawSnapshot({ devices: [aRawDevice(0), aRawDevice(1, { identity: null, error })] });
  const sample = assembler.assemble(inputs({ raw: lost }));
  expect(sample.devices[1]).toMatchObject({ identity: { uuid: 'GPU-1' }, error });
});

test('a device beyond the driver’s count is gone, and those behind it move up', () => {
  const assembler = new SampleAssembler();
  assembler.assemble(inputs());
  const moved = { ...aRawDevice(0), identity: { ...aRawDevice(1).identity!, index: 0 } };
  expect(uuids(assembler, { raw: aRawSnapshot({ devices: [moved], listedDevices: 1 }) })).toEqual(['GPU-1']);
});

test('while a sampler is being started the last readings stand, older and older', () => {
  const assembler = new SampleAssembler();
  assembler.assemble(inputs());
  const sample = assembler.assemble(inputs({ raw: null, nowMs: 3000 }));
  expect(sample.driver.state).toBe('ok');
  expect(sample.devices.map((d) => d.ageMs)).toEqual([2005, 2005]);
});

test('without a driver there are no devices, and their names come back with it', () => {
  const assembler = new SampleAssembler();
  assembler.assemble(inputs());
  expect(uuids(assembler, { raw: null, without: { state: 'released', reason: 'test' } })).toEqual([]);
  expect(uuids(assembler, { raw: onlyFirst, skip: new Set([1]) })).toEqual(['GPU-0', 'GPU-1']);
});

test('a driver that does not open in time says which call it is in', () => {
  const assembler = new SampleAssembler();
  const stuck = [{ deviceIndex: null, call: 'nvmlInit_v2', sinceMs: 0 }];
  const opening = inputs({
    raw: aRawSnapshot({ driver: null, devices: [], listedDevices: 0 }),
    stuck,
    nowMs: 4000,
  });
  expect(assembler.isWhole(opening)).toBe(true);
  expect(assembler.assemble(opening).driver).toEqual({
    state: 'init-failed',
    reason: 'nvmlInit_v2 has not returned for 4 s',
  });
});
