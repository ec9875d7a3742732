// The editor of a simulated node: identities by seed, options that make no sense, editors that come at the same time.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gpuProfiles } from '../../../src/domain/gpu-profiles.js';
import { addXid } from '../../../src/sim/gpu-edits.js';
import { createSimulatedNode, editScenario, readScenario } from '../../../src/sim/gpu-scenario.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infernode-scenario-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const create = (seed: number, gpus = 8, profile = 'H100-80'): string[] =>
  createSimulatedNode(directory, { gpus, profile, seed }).uuids;

test('the same seed gives the same devices, another one others', () => {
  const uuids = create(1);
  const first = readScenario(directory);
  expect(create(1)).toEqual(uuids);
  expect(readScenario(directory)).toEqual(first);
  expect(create(2).filter((uuid) => uuids.includes(uuid))).toEqual([]);
  for (const key of ['uuid', 'serial', 'pciBusId'] as const)
    expect(new Set(first.devices.map((device) => device[key])).size).toBe(8);
  const addresses = first.devices.map(({ pciBusId }) => pciBusId);
  expect([...addresses].sort()).toEqual(addresses);
});

test('the node is complete: library, scenario, place for processes', () => {
  const { libraryPath } = createSimulatedNode(directory, { gpus: 1, profile: 'L4', seed: 1 });
  expect(libraryPath).toBe(join(directory, 'libnvidia-ml.so.1'));
  expect(readdirSync(directory).sort()).toEqual([
    'kmsg',
    'libnvidia-ml.so.1',
    'processes',
    'scenario.good.json',
    'scenario.json',
  ]);
});

test.each([
  [() => create(1, 65), /number of GPUs to be 0 to 64, got 65/],
  [() => create(1, 1.5), /number of GPUs to be 0 to 64, got 1\.5/],
  [() => create(1, 1, 'H900'), new RegExp(`one of ${Object.keys(gpuProfiles).join(', ')}, got "H900"`)],
])('bad options are refused (%#)', (act, reason) => {
  expect(act).toThrow(reason);
});

test('an edit that leaves no scenario changes nothing', () => {
  create(1);
  const before = readScenario(directory);
  expect(() => editScenario(directory, (scenario) => void (scenario.latencyUs = -1))).toThrow(/latencyUs/);
  expect(() =>
    editScenario(directory, () => {
      throw new Error('no');
    }),
  ).toThrow('no');
  expect(readScenario(directory)).toEqual(before);
  expect(existsSync(join(directory, 'scenario.json.lock'))).toBe(false);
});

test('a lock that a killed editor left is taken over', () => {
  create(1);
  const lock = join(directory, 'scenario.json.lock');
  writeFileSync(lock, '');
  utimesSync(lock, 1, 1);
  expect(editScenario(directory, (scenario) => void addXid(scenario, 0, 79)).events).toHaveLength(1);
  expect(existsSync(lock)).toBe(false);
});

test('only so many events are kept, and their numbers rise', () => {
  create(1);
  const { events } = editScenario(directory, (scenario) => {
    for (let i = 0; i < 300; i++) addXid(scenario, 0, 13);
  });
  expect(events).toHaveLength(256);
  expect(events.at(-1)?.seq).toBe(300);
});
