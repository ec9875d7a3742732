// What the simulated driver says of its devices: identity by profile, readings by scenario, fields, structs and versions,
// older drivers. Every profile is compared with the planner's table, because both must describe the same parts.
import { afterEach, expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gpuProfiles } from '../../src/domain/gpu-profiles.js';
import { libraryFunctions } from '../../src/sim/gpu-library.js';
import { editScenario, type DeviceSettings } from '../../src/sim/gpu-scenario.js';
import { deviceSettingNames, linkSettingNames } from '../../src/sim/gpu-settings.js';
import { openNode, type SimulatedNode } from './nvml-sim-client.js';

let node: SimulatedNode;
afterEach(() => node.close());

const notSupported = 3;
const functionNotFound = 13;
const gpuIsLost = 15;
const versionMismatch = 25;
const noSymbol = -1;

const set = (settings: DeviceSettings, device = 0): void => {
  editScenario(node.directory, (scenario) => {
    Object.assign(scenario.devices[device]!.set, settings);
  });
};

test.each(Object.entries(gpuProfiles))('%s is the part that the planner knows', async (id, profile) => {
  node = await openNode({ profile: id, gpus: 1 });
  const { values } = await node.client.call('identity', 0);
  expect(values['name']?.replaceAll('_', ' ')).toBe(profile.name);
  expect(values['capability']).toBe(profile.computeCapability);
  const architectures = { turing: '6', ampere: '7', ada: '8', hopper: '9', blackwell: '10' };
  expect(values['architecture']).toBe(architectures[profile.architecture]);
  expect((await node.client.call('memory', 0)).number('total')).toBe(profile.memoryBytes);
  expect((await node.client.call('field', 0, 91)).number('own')).toBe(
    profile.nvlink === 'none' ? notSupported : 0,
  );
});

test('devices have stable identities and are found by each of them', async () => {
  node = await openNode();
  expect((await node.client.call('count')).number('count')).toBe(4);
  const { values } = await node.client.call('identity', 2);
  expect(values['uuid']).toBe(node.uuids[2]);
  expect(values['uuid']).toMatch(/^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(values['pci']).toBe('00000000:3A:00.0');
  expect(values['legacy']).toBe('0000:3A:00.0');
  for (const [by, what] of [
    ['UUID', values['uuid']!],
    ['PciBusId_v2', '0000:3a:00.0'],
    ['PciBusId_v2', '00000000:3A:00.0'],
    ['Serial', values['serial']!],
  ] as const)
    expect(await node.client.call('find', by, what)).toMatchObject({ code: 0, values: { index: '2' } });
  expect((await node.client.call('find', 'UUID', 'GPU-none')).code).toBe(6);
});

test('settings show in every call and field that reads them, at once', async () => {
  node = await openNode();
  set({
    temperatureCelsius: 95,
    memoryTemperatureCelsius: 88,
    powerWatts: 350.5,
    gpuUtilizationRatio: 0.83,
    eccUncorrectedVolatile: 3,
    remappedRowsUncorrectable: 2,
    rowRemapPending: true,
    pcieLinkWidth: 8,
    throttleHwThermalNs: 5e9,
  });
  const { client } = node;
  expect((await client.call('u32', 0, 'nvmlDeviceGetTemperature', 0)).number('value')).toBe(95);
  expect((await client.call('field', 0, 82)).number('value')).toBe(88);
  expect((await client.call('u32', 0, 'nvmlDeviceGetPowerUsage')).number('value')).toBe(350_500);
  expect((await client.call('field', 0, 186)).number('value')).toBe(350_500);
  expect((await client.call('u64', 0, 'nvmlDeviceGetTotalEccErrors', 1, 0)).number('value')).toBe(3);
  expect((await client.call('rows', 0)).values).toEqual({
    correctable: '0',
    uncorrectable: '2',
    pending: '1',
    failure: '0',
  });
  expect((await client.call('u32', 0, 'nvmlDeviceGetCurrPcieLinkWidth')).number('value')).toBe(8);
  expect((await client.call('u32', 1, 'nvmlDeviceGetCurrPcieLinkWidth')).number('value')).toBe(16);
  // Three degrees above the slowdown point: negative margin, and the hardware says why it is slow.
  expect(
    (await client.call('versioned', 0, 'nvmlDeviceGetMarginTemperature', 0x01000008, 8)).number('word'),
  ).toBe(2 ** 32 - 3);
  const reasons = await client.call('u64', 0, 'nvmlDeviceGetCurrentClocksEventReasons');
  expect(reasons.number('value')).toBe(0x8 | 0x20 | 0x40);
  // The id of this counter on R580 and, later, another one.
  expect((await client.call('field', 0, 252)).number('value')).toBe(5e9);
  expect((await client.call('field', 0, 270)).number('own')).toBe(2);
});

test('null is "not supported", -1 is all ones', async () => {
  node = await openNode();
  set({ powerWatts: null, temperatureCelsius: -1, serial: null, fields: { '82': null } });
  expect((await node.client.call('u32', 0, 'nvmlDeviceGetPowerUsage')).code).toBe(notSupported);
  expect((await node.client.call('field', 0, 186)).number('own')).toBe(notSupported);
  expect((await node.client.call('field', 0, 82)).number('own')).toBe(notSupported);
  expect((await node.client.call('u32', 0, 'nvmlDeviceGetTemperature', 0)).number('value')).toBe(2 ** 32 - 1);
});

test('any field id can be set, for one link alone too', async () => {
  node = await openNode({ profile: 'B200-180' });
  expect(await node.client.call('field', 0, 208, 3)).toMatchObject({ values: { own: '0', value: '0' } });
  expect((await node.client.call('field', 0, 220, 3)).number('value')).toBe(0xfff);
  expect((await node.client.call('field', 0, 4711)).number('own')).toBe(2);
  set({ fields: { '230': 4, '208:3': 7, '4711': 12 } });
  expect((await node.client.call('field', 0, 230)).number('value')).toBe(4);
  expect((await node.client.call('field', 0, 208, 3)).number('value')).toBe(7);
  expect((await node.client.call('field', 0, 208, 4)).number('value')).toBe(0);
  expect((await node.client.call('field', 0, 4711)).number('value')).toBe(12);
});

test('NVLinks have states and counters of their own', async () => {
  node = await openNode();
  set({ links: { '5': { active: false, replayErrors: 9 } }, p2p: { '1': 3 } });
  expect((await node.client.call('u32', 0, 'nvmlDeviceGetNvLinkState', 5)).number('value')).toBe(0);
  expect((await node.client.call('u32', 0, 'nvmlDeviceGetNvLinkState', 6)).number('value')).toBe(1);
  expect((await node.client.call('field', 0, 165, 5)).number('value')).toBe(0);
  expect((await node.client.call('u64', 0, 'nvmlDeviceGetNvLinkErrorCounter', 5, 0)).number('value')).toBe(9);
  expect((await node.client.call('field', 0, 52)).number('value')).toBe(9);
  expect((await node.client.call('u32', 0, 'nvmlDeviceGetNvLinkState', 18)).code).toBe(2);
  expect((await node.client.call('p2p', 0, 1, 2)).number('status')).toBe(3);
  expect((await node.client.call('p2p', 0, 2, 2)).number('status')).toBe(0);
});

test('counters with a rate grow by themselves', async () => {
  node = await openNode();
  set({ eccCorrectedVolatile: 100, rates: { eccCorrectedVolatile: 5 }, ratesSinceMs: Date.now() - 60_000 });
  const { values } = await node.client.call('u64', 0, 'nvmlDeviceGetTotalEccErrors', 0, 0);
  expect(Number(values['value'])).toBeGreaterThanOrEqual(400);
});

test('MIG instances have handles, memory and processes of their own', async () => {
  node = await openNode({ profile: 'A100-80' });
  const gibibyte = 1024 ** 3;
  set({
    migMode: 1,
    mig: [
      { uuid: '', gpuInstanceId: 0, computeInstanceId: 0, memoryBytes: 0, slices: 1 },
      { uuid: 'MIG-a', gpuInstanceId: 2, computeInstanceId: 0, memoryBytes: 20 * gibibyte, slices: 2 },
    ],
  });
  expect((await node.client.call('mig', 0, 0)).code).toBe(6);
  expect(await node.client.call('mig', 0, 1)).toMatchObject({
    code: 0,
    values: { uuid: 'MIG-a', instance: '2', temperatureCode: '3', total: String(20 * gibibyte) },
  });
  expect((await node.client.call('mig', 1, 1)).code).toBe(notSupported);
});

test('a lost device fails alone; a vanished one is no longer counted', async () => {
  node = await openNode();
  await node.client.call('memory', 2);
  editScenario(node.directory, ({ devices }) => void (devices[2]!.lost = true));
  expect((await node.client.call('count')).number('count')).toBe(4);
  expect((await node.client.call('memory', 2)).code).toBe(gpuIsLost);
  expect((await node.client.call('find', 'UUID', node.uuids[2]!)).code).toBe(gpuIsLost);
  expect((await node.client.call('memory', 3)).code).toBe(0);
  editScenario(node.directory, ({ devices }) => void (devices[2]!.vanished = true));
  expect((await node.client.call('count')).number('count')).toBe(3);
  expect(await node.client.call('find', 'UUID', node.uuids[3]!)).toMatchObject({ values: { index: '2' } });
  editScenario(node.directory, ({ devices }) => {
    devices[2]!.lost = false;
    delete devices[2]!.vanished;
  });
  expect((await node.client.call('memory', 2)).code).toBe(0);
});

test('a version word that the driver does not know is refused', async () => {
  node = await openNode();
  expect((await node.client.call('memory', 0, 0x02000020)).code).toBe(versionMismatch);
  expect((await node.client.call('memory', 0, 0x03000028)).code).toBe(versionMismatch);
  const fabric = ['versioned', 0, 'nvmlDeviceGetGpuFabricInfoV'] as const;
  expect((await node.client.call(...fabric, 0x03000028, 40)).code).toBe(0);
  editScenario(node.directory, (scenario) => {
    scenario.structVersions = { nvmlDeviceGetGpuFabricInfoV: 2 };
  });
  expect((await node.client.call(...fabric, 0x03000028, 40)).code).toBe(versionMismatch);
  expect((await node.client.call(...fabric, 0x02000024, 36)).code).toBe(0);
});

test.each([
  ['535', 'nvmlDeviceGetMarginTemperature', 'nvmlDeviceGetModuleId'],
  ['550', 'nvmlDeviceGetMarginTemperature', 'nvmlDeviceGetGpuFabricInfoV'],
  ['570', 'nvmlDeviceGetRepairStatus', 'nvmlDeviceGetMarginTemperature'],
  ['580', 'nvmlDeviceGetUnrepairableMemoryFlag_v1', 'nvmlDeviceGetRepairStatus'],
  ['590', 'nvmlDeviceGetRemappedRows_v2', 'nvmlDeviceGetUnrepairableMemoryFlag_v1'],
] as const)('driver %s has no symbol %s, but %s', async (driver, lacks, has) => {
  node = await openNode({ driver });
  expect((await node.client.call('driver')).values['version']).toMatch(new RegExp(`^${driver}\\.`));
  expect((await node.client.call('symbol', lacks)).code).toBe(noSymbol);
  expect((await node.client.call('symbol', has)).code).toBe(0);
  const recoveryAction = await node.client.call('field', 0, 230);
  expect(recoveryAction.number('own')).toBe(Number(driver) >= 570 ? 0 : 2);
});

test('a function can go missing while the library is open', async () => {
  node = await openNode();
  editScenario(node.directory, (scenario) => void scenario.missing.push('nvmlDeviceGetMemoryInfo_v2'));
  expect((await node.client.call('memory', 0)).code).toBe(functionNotFound);
  expect((await node.client.call('memory1', 0)).code).toBe(0);
});

test('calls before init and handles from before a shutdown are refused', async () => {
  node = await openNode();
  const other = node.anotherClient();
  expect((await other.call('count')).code).toBe(1);
  await node.client.call('memory', 0);
  expect((await node.client.call('shutdown')).code).toBe(0);
  expect((await node.client.call('memory', 0)).code).toBe(1);
  await node.client.call('init');
  expect((await node.client.call('memory', 0)).code).toBe(2);
  await node.client.call('forget');
  expect((await node.client.call('memory', 0)).code).toBe(0);
  expect((await node.client.call('error', 15)).values['text']).toBeTruthy();
});

test('the library and the editor know the same settings, and every function is exported', async () => {
  node = await openNode({ driver: '590' });
  const names = (file: string): string[] => {
    const text = readFileSync(new URL(`../../native/nvml_sim/${file}`, import.meta.url), 'utf8');
    return [...text.matchAll(/^X\((\w+),/gm)].map(([, name]) => name!);
  };
  expect([...deviceSettingNames].sort()).toEqual(names('settings.inc').sort());
  expect([...linkSettingNames].sort()).toEqual(names('link_settings.inc').sort());
  const functions = libraryFunctions(readFileSync(join(node.directory, 'libnvidia-ml.so.1')));
  expect(functions.map(({ name }) => name)).toEqual(names('functions.inc'));
  for (const { name, since } of functions)
    expect({ name, code: (await node.client.call('symbol', name)).code }).toEqual({
      name,
      code: since > 13_010 ? noSymbol : 0,
    });
});
