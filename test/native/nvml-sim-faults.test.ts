// A sick driver on demand: calls that hang, crawl and fail on one device while the others answer, events that arrive or are
// lost, and scenario files that are broken while somebody reads them.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  addEvent,
  addXid,
  delayCall,
  forceReturn,
  hangCall,
  releaseCalls,
  resetNode,
} from '../../src/sim/gpu-edits.js';
import { editScenario, type GpuScenario } from '../../src/sim/gpu-scenario.js';
import { eventually } from '../support/running-up.js';
import { openNode, type Answer, type SimulatedNode } from './nvml-sim-client.js';

let node: SimulatedNode;
beforeEach(async () => {
  node = await openNode();
});
afterEach(() => node.close());

const memoryCall = 'nvmlDeviceGetMemoryInfo_v2';
const timeout = 10;
const xid = 0x8;
const longMs = 20_000;
const edit = (change: (scenario: GpuScenario) => void): void => void editScenario(node.directory, change);
const temperature = async (device: number): Promise<number> =>
  (await node.client.call('u32', device, 'nvmlDeviceGetTemperature', 0)).number('value');

/** What the promise gives, or null when it takes longer. */
function within<T>(ms: number, promise: Promise<T>): Promise<T | null> {
  return Promise.race([promise, new Promise<null>((resolve) => setTimeout(() => resolve(null), ms))]);
}

/** Whether the call is still under way after others were answered. */
async function pending(call: Promise<Answer>): Promise<boolean> {
  // Two answers from another device: the hung call had every chance to return before them.
  await temperature(1);
  await temperature(1);
  return (await Promise.race([call, Promise.resolve(null)])) === null;
}

test('a call that hangs on one device leaves the other devices and other calls answering, until it is released', async () => {
  edit((scenario) => hangCall(scenario, memoryCall, 3));
  const hung = node.client.call('memory', 3);
  expect(await temperature(3)).toBeGreaterThan(0);
  expect((await node.client.call('memory', 0)).code).toBe(0);
  expect(await pending(hung)).toBe(true);
  edit((scenario) => void releaseCalls(scenario));
  expect((await hung).code).toBe(0);
});

test('with a global lock one hung call blocks them all', async () => {
  edit((scenario) => {
    scenario.globalLock = true;
    hangCall(scenario, memoryCall, 3);
  });
  const hung = node.client.call('memory', 3);
  // Calls on another device answer until the hung one has taken the lock; one of them must get stuck.
  const stuck = await eventually('a call on another device waits for the lock', async () => {
    const other = temperature(1);
    return (await within(100, other)) === null ? { other } : null;
  });
  edit((scenario) => void releaseCalls(scenario));
  expect((await hung).code).toBe(0);
  expect(await stuck.other).toBeGreaterThan(0);
});

test('an initialisation that hangs is released too', async () => {
  edit((scenario) => hangCall(scenario, 'nvmlInit_v2'));
  const other = node.anotherClient();
  const hung = other.call('init');
  expect(await pending(hung)).toBe(true);
  edit(resetNode);
  expect((await hung).code).toBe(0);
});

test('a delayed call answers, and a long delay can be cut short', async () => {
  edit((scenario) => delayCall(scenario, 'nvmlDeviceGetTemperature', 30_000, 0));
  expect(await temperature(0)).toBeGreaterThan(0);
  edit((scenario) => delayCall(scenario, 'nvmlDeviceGetTemperature', 3.6e9, 0));
  const slow = node.client.call('u32', 0, 'nvmlDeviceGetTemperature', 0);
  expect(await pending(slow)).toBe(true);
  edit((scenario) => delayCall(scenario, 'nvmlDeviceGetTemperature', 0, 0));
  expect((await slow).code).toBe(0);
});

test('forced return codes hold for one device, for all, and for a number of times', async () => {
  edit((scenario) => forceReturn(scenario, memoryCall, 999, { device: 2, times: 2 }));
  const codes = [];
  for (let i = 0; i < 3; i++) codes.push((await node.client.call('memory', 2)).code);
  expect(codes).toEqual([999, 999, 0]);
  // The same rule again is another rule with turns of its own; an unrelated edit does not renew the old one's.
  edit((scenario) => void (scenario.latencyUs = 1));
  expect((await node.client.call('memory', 2)).code).toBe(0);
  edit((scenario) => forceReturn(scenario, memoryCall, 999, { device: 2, times: 1 }));
  expect((await node.client.call('memory', 2)).code).toBe(999);
  edit((scenario) => forceReturn(scenario, '*', 16));
  expect((await node.client.call('memory', 0)).code).toBe(16);
  expect((await node.client.call('count')).code).toBe(16);
});

test.each([
  ['no driver', 9],
  ['another version of the kernel module', 18],
  ['something unknown', 999],
])('init fails for lack of %s', async (_, code) => {
  edit((scenario) => forceReturn(scenario, 'nvmlInit_v2', code));
  const other = node.anotherClient();
  expect((await other.call('init')).code).toBe(code);
  expect((await other.call('count')).code).toBe(1);
});

test('a device can fail at lookup, by index and by every other name', async () => {
  edit((scenario) => forceReturn(scenario, 'nvmlDeviceGetHandleByIndex_v2', 8, { device: 1 }));
  expect((await node.client.call('memory', 1)).code).toBe(8);
  expect((await node.client.call('memory', 2)).code).toBe(0);
  expect((await node.client.call('find', 'UUID', node.uuids[1]!)).code).toBe(0);
});

test('events after registration are delivered in order, those before and those not asked for are not', async () => {
  edit((scenario) => void addXid(scenario, 0, 13));
  expect((await node.client.call('register', 0, xid, 0, 1)).code).toBe(0);
  expect((await node.client.call('wait', 0, 0)).code).toBe(timeout);
  edit((scenario) => {
    addEvent(scenario, 0, 'double-bit-ecc');
    addXid(scenario, 2, 48);
    addXid(scenario, 1, 79);
    addXid(scenario, 0, 119, { dropped: true });
    addXid(scenario, 0, 94);
  });
  const first = await node.client.call('wait', 0, longMs);
  expect(first.values).toEqual({ type: String(xid), data: '79', uuid: node.uuids[1] });
  expect((await node.client.call('wait', 0, longMs)).values).toMatchObject({
    data: '94',
    uuid: node.uuids[0],
  });
  expect((await node.client.call('wait', 0, 0)).code).toBe(timeout);
});

test('an event wakes a wait that is under way, in every process that registered', async () => {
  const other = node.anotherClient();
  await other.call('init');
  await node.client.call('register', 0, xid, 0);
  await other.call('register', 0, xid, 0);
  const waits = [node.client.call('wait', 0, longMs), other.call('wait', 0, longMs)];
  edit((scenario) => void addXid(scenario, 0, 79));
  for (const { code, values } of await Promise.all(waits)) expect([code, values['data']]).toEqual([0, '79']);
});

test('a burst beyond the queue and events while they are dropped are lost for good', async () => {
  await node.client.call('register', 0, xid, 0);
  edit((scenario) => {
    scenario.eventQueueLength = 2;
    for (let code = 1; code <= 4; code++) addXid(scenario, 0, code);
  });
  const received = [];
  for (let i = 0; i < 2; i++) received.push((await node.client.call('wait', 0, longMs)).number('data'));
  expect(received).toEqual([1, 2]);
  expect((await node.client.call('wait', 0, 0)).code).toBe(timeout);
  edit((scenario) => {
    scenario.dropEvents = true;
    addXid(scenario, 0, 79);
  });
  edit((scenario) => void (scenario.dropEvents = false));
  expect((await node.client.call('wait', 0, 0)).code).toBe(timeout);
});

test('sequence numbers go on after a reset, so that the next event is news', async () => {
  await node.client.call('register', 0, xid, 0);
  edit((scenario) => void addXid(scenario, 0, 13));
  expect((await node.client.call('wait', 0, longMs)).number('data')).toBe(13);
  edit(resetNode);
  edit((scenario) => void addXid(scenario, 0, 79));
  expect((await node.client.call('wait', 0, longMs)).number('data')).toBe(79);
});

test('an old driver registers nothing for a mask with an event that it does not know', async () => {
  const old = await openNode({ driver: '535' });
  try {
    expect((await old.client.call('register', 0, 0x8008, 0)).code).toBe(3);
    expect(
      (await old.client.call('u64', 0, 'nvmlDeviceGetSupportedEventTypes')).number('value') & 0x8000,
    ).toBe(0);
    expect((await old.client.call('register', 0, xid, 0)).code).toBe(0);
  } finally {
    await old.close();
  }
});

test('a wait ends when the library is shut down under it', async () => {
  await node.client.call('register', 0, xid, 0);
  const wait = node.client.call('wait', 0, longMs);
  expect(await pending(wait)).toBe(true);
  await node.client.call('shutdown');
  expect((await wait).code).toBe(1);
});

/** Puts any text in the place of the scenario, as an editor would. */
function replaceScenario(text: string): void {
  writeFileSync(join(node.directory, 'new.json'), text);
  renameSync(join(node.directory, 'new.json'), join(node.directory, 'scenario.json'));
}

test.each([
  ['no JSON', '{"schema": 1, "devices": ['],
  ['another schema', '{"schema": 2, "devices": []}'],
  ['too deep', '['.repeat(2000)],
  [
    'an unknown part',
    '{"schema":1,"devices":[{"profile":"H900","uuid":"GPU-1","pciBusId":"00000000:01:00.0"}]}',
  ],
  ['binary', '\u0000\u0001\u0002'],
  ['nothing', ''],
])('a scenario that is broken (%s) keeps the last good one, with one warning', async (_, text) => {
  edit(({ devices }) => void (devices[0]!.set.temperatureCelsius = 77));
  expect(await temperature(0)).toBe(77);
  const good = readFileSync(join(node.directory, 'scenario.json'), 'utf8');
  replaceScenario(text);
  for (let i = 0; i < 3; i++) expect(await temperature(0)).toBe(77);
  expect(node.client.stderr.match(/the last good scenario stays/g)).toHaveLength(1);
  expect(node.client.stderr).toMatch(/scenario\.json: /);
  replaceScenario(good.replace('"temperatureCelsius": 77', '"temperatureCelsius": 78'));
  expect(await temperature(0)).toBe(78);
});

test('a scenario that is removed keeps the last good one', async () => {
  const before = await temperature(0);
  rmSync(join(node.directory, 'scenario.json'));
  expect(await temperature(0)).toBe(before);
});

test('a misspelt setting is named once and the rest works', async () => {
  replaceScenario(
    readFileSync(join(node.directory, 'scenario.json'), 'utf8').replace(
      '"set": {}',
      '"set": {"temprature": 1, "temperatureCelsius": 66}',
    ),
  );
  expect(await temperature(0)).toBe(66);
  expect(await temperature(0)).toBe(66);
  expect(node.client.stderr.match(/unknown setting "temprature"/g)).toHaveLength(1);
});
