// `infernode sim gpu` as people type it, on a simulated node in a temporary directory: what each command leaves in
// scenario.json, what it prints, and what it says to bad input.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { addSimGpuCommands, type SimGpuTarget } from '../../../src/cli/sim-gpu.js';
import { createSimulatedNode, readScenario, type GpuScenario } from '../../../src/sim/gpu-scenario.js';

let directory: string;
let uuids: string[];
let printed: string;
let resolved: SimGpuTarget[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infernode-sim-gpu-'));
  ({ uuids } = createSimulatedNode(directory, { gpus: 4, profile: 'H100-80', seed: 1 }));
  printed = '';
  resolved = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true, force: true });
});

/** Runs one command line; rejects with what the CLI would report. */
async function sim(line: string): Promise<GpuScenario> {
  const program = new Command('infernode').exitOverride().configureOutput({ writeErr: () => undefined });
  addSimGpuCommands(program, (target) => {
    resolved.push(target);
    return directory;
  });
  await program.parseAsync(['gpu', ...line.split(' ')], { from: 'user' });
  return readScenario(directory);
}

test('mig cuts a GPU into instances, and an Xid may be of one of them, in the event as in the log', async () => {
  const { devices } = await sim('mig 20,0,40 --gpu 1');
  expect(devices[1]!.set.mig).toMatchObject([
    { uuid: expect.stringMatching(/^MIG-.*-1$/) as string, gpuInstanceId: 1, memoryBytes: 20 * 2 ** 30 },
    { uuid: '' },
    { gpuInstanceId: 3 },
  ]);
  const { events } = await sim('xid 94 --gpu 1 --instance 3');
  expect(events.at(-1)).toMatchObject({ code: 94, gpuInstanceId: 3 });
  expect(readFileSync(join(directory, 'kmsg'), 'utf8')).toMatch(/Xid \(PCI:[0-9a-f:]+ GPU-I:03\): 94,/);
  expect((await sim('mig off --gpu 1')).devices[1]!.set).toMatchObject({ migMode: 0, mig: [] });
  await expect(sim('mig 20,x --gpu 1')).rejects.toThrow(/sizes in GiB/);
});

test('xid and event add events with rising numbers', async () => {
  await sim('xid 79 --gpu 0');
  expect(printed).toBe(`GPU 0 (${uuids[0]}): Xid 79\n`);
  await sim('event mig-config --gpu 1');
  const { events, devices } = await sim('xid 63 --gpu 2 --effects --dropped');
  expect(events).toEqual([
    { seq: 1, device: 0, type: 'xid', code: 79 },
    { seq: 2, device: 1, type: 'mig-config', code: 0 },
    { seq: 3, device: 2, type: 'xid', code: 63, dropped: true },
  ]);
  expect(devices.map(({ set }) => set)).toEqual([
    {},
    {},
    { remappedRowsUncorrectable: 1, rowRemapPending: 1 },
    {},
  ]);
});

test('a GPU is named by its place or by the beginning of its UUID', async () => {
  expect((await sim(`temp 95 --gpu ${uuids[1]!.slice(0, 12)}`)).devices[1]?.set).toEqual({
    temperatureCelsius: 95,
  });
});

test('ecc adds to what was counted and tells of uncorrected errors', async () => {
  await sim('ecc --gpu 0 --uncorrected 1 --corrected 5');
  const { devices, events } = await sim('ecc --gpu 0 --uncorrected 2');
  expect(devices[0]?.set).toEqual({ eccUncorrectedVolatile: 3, eccCorrectedVolatile: 5 });
  expect(events.map(({ type }) => type)).toEqual(['single-bit-ecc', 'double-bit-ecc', 'double-bit-ecc']);
});

test('lost, found and reset', async () => {
  expect((await sim('lost --gpu 2 --vanish')).devices[2]).toMatchObject({ lost: true, vanished: true });
  const { devices } = await sim('found --gpu 2');
  expect(devices[2]).toMatchObject({ lost: false });
  expect(devices[2]).not.toHaveProperty('vanished');
  await sim('temp 95 --gpu 1');
  await sim('temp 95 --gpu 2');
  await sim('xid 79 --gpu 2');
  const one = await sim('reset --gpu 2 --instant');
  expect([one.devices[2]?.set, one.devices[1]?.set, one.events]).toEqual([
    {},
    { temperatureCelsius: 95 },
    [],
  ]);
  // Numbers never fall, or the next event would look like an old one.
  expect((await sim('xid 13 --gpu 0')).events).toMatchObject([{ seq: 2, code: 13 }]);
  expect((await sim('reset --instant')).devices.every(({ set }) => Object.keys(set).length === 0)).toBe(true);
});

test('a reset takes a GPU with events off the bus for a moment, and leaves the others alone', async () => {
  await sim('xid 79 --gpu 2');
  const done = sim('reset');
  expect(readScenario(directory).devices.map(({ lost }) => lost)).toEqual([false, false, true, false]);
  expect((await done).devices.map(({ lost }) => lost)).toEqual([false, false, false, false]);
});

test('hang, unhang, delay and return make and remove rules', async () => {
  await sim('hang nvmlDeviceGetMemoryInfo_v2 --gpu 3');
  await sim('hang nvmlDeviceGetMemoryInfo_v2 --gpu 3');
  expect((await sim('hang *')).hangs).toEqual([
    { call: 'nvmlDeviceGetMemoryInfo_v2', device: 3 },
    { call: '*' },
  ]);
  expect((await sim('unhang --gpu 3')).hangs).toEqual([{ call: '*' }]);
  expect((await sim('unhang')).hangs).toEqual([]);
  expect((await sim('delay nvmlDeviceGetTemperature 5000 --gpu 1')).delays).toHaveLength(1);
  expect((await sim('delay nvmlDeviceGetTemperature 0 --gpu 1')).delays).toEqual([]);
  const { returns } = await sim('return nvmlInit_v2 NVML_ERROR_DRIVER_NOT_LOADED --times 3');
  expect(returns).toMatchObject([{ call: 'nvmlInit_v2', code: 9, times: 3 }]);
  expect((await sim('return nvmlInit_v2 SUCCESS')).returns).toEqual([]);
});

test('missing and struct-version make an older driver of a newer one, and go again', async () => {
  await sim('missing nvmlDeviceGetRepairStatus');
  expect((await sim('missing nvmlDeviceGetRepairStatus')).missing).toEqual(['nvmlDeviceGetRepairStatus']);
  expect((await sim('struct-version nvmlDeviceGetGpuFabricInfoV 2')).structVersions).toEqual({
    nvmlDeviceGetGpuFabricInfoV: 2,
  });
  await sim('show');
  expect(printed).toMatch(/missing nvmlDeviceGetRepairStatus/);
  expect(printed).toMatch(/nvmlDeviceGetGpuFabricInfoV takes structs up to version 2/);
  expect((await sim('missing nvmlDeviceGetRepairStatus --off')).missing).toEqual([]);
  expect((await sim('struct-version nvmlDeviceGetGpuFabricInfoV 0')).structVersions).toEqual({});
  await expect(sim('missing nvmlDeviceGetRepares')).rejects.toThrow(/NVML function/);
});

test('set reaches every kind of setting, and default undoes it', async () => {
  await sim('set pcieLinkWidth 8 --gpu 0');
  await sim('set powerWatts null --gpu 0');
  await sim('set serial 1234 --gpu 0');
  await sim('set fields.208:3 7 --gpu 0');
  await sim('set links.3.active false --gpu 0');
  await sim('set p2p.1 3 --gpu 0');
  const { devices, globalLock } = await sim('set globalLock true');
  expect(globalLock).toBe(true);
  expect(devices[0]?.set).toEqual({
    pcieLinkWidth: 8,
    powerWatts: null,
    serial: '1234',
    fields: { '208:3': 7 },
    links: { '3': { active: false } },
    p2p: { '1': 3 },
  });
  expect((await sim('set pcieLinkWidth default --gpu 0')).devices[0]?.set).not.toHaveProperty(
    'pcieLinkWidth',
  );
});

test('a second rate keeps what the first one has grown', async () => {
  vi.spyOn(Date, 'now').mockReturnValue(1_000_000);
  await sim('set rates.eccCorrectedVolatile 5 --gpu 0');
  vi.spyOn(Date, 'now').mockReturnValue(1_010_000);
  const { devices } = await sim('set rates.pcieReplayCounter 1 --gpu 0');
  expect(devices[0]?.set).toEqual({
    eccCorrectedVolatile: 50,
    rates: { eccCorrectedVolatile: 5, pcieReplayCounter: 1 },
    ratesSinceMs: 1_010_000,
  });
});

test('--json prints one line, --scenario wins over --node', async () => {
  await sim('xid 79 --gpu 0 --json --node node-1');
  expect(JSON.parse(printed)).toEqual({
    scenario: join(directory, 'scenario.json'),
    gpu: 0,
    uuid: uuids[0],
    message: 'Xid 79',
    xid: 79,
    seq: 1,
    effects: false,
  });
  await sim('show --state-dir /elsewhere');
  expect(resolved).toEqual([{ node: 'node-1' }, { stateDir: '/elsewhere' }]);
  await sim(`lost --gpu 0 --scenario ${join(directory, 'scenario.json')} --node node-1`);
  expect(resolved).toHaveLength(2);
});

test('show tells what is not as new', async () => {
  await sim('temp 95 --gpu 1');
  await sim('lost --gpu 2');
  await sim('hang nvmlDeviceGetName --gpu 3');
  await sim('xid 79 --gpu 0');
  printed = '';
  await sim('show');
  expect(printed).toMatch(/GPU 1 .* present {2}temperatureCelsius=95/);
  expect(printed).toMatch(/GPU 2 .* lost/);
  expect(printed).toMatch(/hang +nvmlDeviceGetName on GPU 3/);
  expect(printed).toMatch(/event 1 +GPU 0 +Xid 79/);
});

test.each([
  ['xid seventy --gpu 0', /Expected an Xid code from 1 to 9999/],
  ['xid 79', /required option '--gpu/],
  ['xid 79 --gpu 4', /expected --gpu to be one of 0 \(GPU-.*got "4"/],
  ['xid 79 --gpu GPU-', /expected --gpu to be one of/],
  ['temp 500 --gpu 0', /Expected a temperature from 0 to 200/],
  ['ecc --gpu 0', /expected --uncorrected N, --corrected N or both, got neither/],
  ['hang nvmlDeviceGetMemoryInfos --gpu 0', /got "nvmlDeviceGetMemoryInfos"; names are those of nvml\.h/],
  ['hang memoryinfo --gpu 0', /did you mean nvmlDeviceGetMemoryInfo_v2/],
  ['return nvmlInit_v2 BROKEN', /Expected a number or one of SUCCESS/],
  ['set temprature 5 --gpu 0', /expected a setting, got "temprature"/],
  ['set temperature 5 --gpu 0', /did you mean temperatureCelsius/],
  ['set temperatureCelsius hot --gpu 0', /expected a number, true, false, null or default/],
  ['set temperatureCelsius 5', /expected --gpu for temperatureCelsius/],
  ['set driverVersion newest', /driverVersion: expected a version such as 580\.65\.06/],
  ['event earthquake --gpu 0', /Allowed choices are single-bit-ecc/],
  ['explode --gpu 0', /unknown command 'explode'/],
])('%s is refused with its reason, and nothing changes', async (line, reason) => {
  const before = readFileSync(join(directory, 'scenario.json'), 'utf8');
  await expect(sim(line)).rejects.toThrow(reason);
  expect(readFileSync(join(directory, 'scenario.json'), 'utf8')).toBe(before);
});

test('a scenario that somebody broke is named, not overwritten', async () => {
  writeFileSync(join(directory, 'scenario.json'), '{');
  await expect(sim('xid 79 --gpu 0')).rejects.toThrow(/expected a scenario in .*scenario\.json/);
  writeFileSync(join(directory, 'scenario.json'), '{"schema":1,"driverVersion":"580.1","devices":7}');
  await expect(sim('xid 79 --gpu 0')).rejects.toThrow(/devices: /);
});

test('create makes a node of its own, and never over another', async () => {
  const made = join(directory, 'made');
  await sim(`create ${made} --gpus 2 --profile L4 --driver 570 --json`);
  const { libraryPath } = JSON.parse(printed) as { libraryPath: string };
  expect(libraryPath).toBe(join(made, 'libnvidia-ml.so.1'));
  expect(readScenario(made).devices.map(({ profile }) => profile)).toEqual(['L4', 'L4']);
  await expect(sim(`create ${made}`)).rejects.toThrow(/expected a directory without scenario.json/);
  await expect(sim(`create ${join(directory, 'b')} --gpus 65`)).rejects.toThrow(/0 to 64/);
});
