// What the health of a device does to the engine on it, with real engines: a fatal fault evicts, a lesser one drains, a
// cordon keeps a restart away, and each ends by itself when the device is well again.
import { request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import type { DeviceStatus } from '../../../src/domain/device.js';
import type { EngineStatus } from '../../../src/domain/engine.js';
import type { Fault } from '../../../src/domain/health.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { aDeviceStatus, deviceUuid } from '../../support/node-fixtures.js';
import {
  aFleet,
  aTemplate,
  noProcessLeft,
  type FakePlan,
  type FleetCase,
} from '../../support/engine-fleet.js';

let current: FleetCase | null = null;
afterEach(async () => {
  await current?.clear();
  current = null;
});

const healthy = aDeviceStatus(0);
const fatal = aDeviceStatus(0, {
  health: 'unhealthy',
  severity: 'fatal',
  action: 'reset-device',
  reason: 'Xid 79: GPU has fallen off the bus',
  cordons: [{ holder: 'health:xid', reason: 'Xid 79', sinceMs: 0 }],
});
const critical: DeviceStatus = { ...fatal, severity: 'critical', reason: 'Xid 48: double bit error' };
const cordoned = aDeviceStatus(0, { cordons: [{ holder: 'operator:ann', reason: 'cable', sinceMs: 0 }] });

function aFault(overrides: Partial<Fault> = {}): Fault {
  return {
    check: 'xid',
    deviceUuid: deviceUuid(0),
    xid: 31,
    severity: 'warning',
    action: 'restart-engine',
    advice: null,
    drain: 'restart-engine',
    reason: 'Xid 31: GPU memory page fault',
    evidence: '',
    pid: null,
    observedAtMs: systemClock.monotonicMs(),
    ...overrides,
  };
}

async function running(plan: FakePlan = {}, overrides: { seesHostPids?: boolean } = {}): Promise<FleetCase> {
  current = aFleet(plan, overrides);
  current.fleet.applyDeviceStatus([healthy]);
  await current.fleet.start();
  await current.until('ready');
  return current;
}

function latest({ history }: FleetCase): EngineStatus {
  return history.filter((change): change is EngineStatus => 'state' in change).at(-1)!;
}

describe('a device that turns unhealthy', () => {
  it('for a fatal reason: evicting before the call returns, stopped, held, started when well', async () => {
    const test = await running({ ignoreTerm: true, child: 'stubborn' });
    test.fleet.applyDeviceStatus([fatal]);
    expect(latest(test)).toMatchObject({ state: 'draining', evicting: true });
    expect(latest(test).reason).toContain('Xid 79');
    const stopped = await test.until('stopped');
    expect(stopped.reason).toContain('Xid 79');
    await noProcessLeft(test.directory);
    test.fleet.applyDeviceStatus([{ ...healthy, cordons: fatal.cordons }]);
    test.fleet.applyDeviceStatus([aDeviceStatus(0, { health: 'unknown' })]);
    expect(test.status()).toMatchObject({ state: 'stopped', incarnation: '1' });
    test.fleet.applyDeviceStatus([healthy]);
    expect(await test.until('ready')).toMatchObject({ incarnation: '2', evicting: false });
  });

  it('for a lesser reason: waits for what runs, tells how much is left, then stops', async () => {
    const test = await running();
    const { url } = test.status();
    await request(`${url}/set?running=2&waiting=1`);
    test.fleet.applyDeviceStatus([critical]);
    expect(test.status()).toMatchObject({ state: 'draining', evicting: false });
    await test.until('draining', (s) => s.reason.endsWith('; 3 requests left'));
    await request(`${url}/set?running=0&waiting=0`);
    expect((await test.until('stopped')).reason).toContain('Xid 48');
  });

  it('worse during a drain: the drain is cut short', async () => {
    const test = await running();
    await request(`${test.status().url}/set?running=5`);
    test.fleet.applyDeviceStatus([critical]);
    await test.until('draining', (s) => s.reason.endsWith('5 requests left'));
    test.fleet.applyDeviceStatus([fatal]);
    expect(latest(test)).toMatchObject({ state: 'draining', evicting: true });
    expect((await test.until('stopped')).reason).toContain('Xid 79');
  });

  it('degraded or unknown: the engine goes on serving', async () => {
    const test = await running();
    test.fleet.applyDeviceStatus([aDeviceStatus(0, { health: 'degraded', severity: 'warning' })]);
    test.fleet.applyDeviceStatus([aDeviceStatus(0, { health: 'unknown' })]);
    test.fleet.applyDeviceStatus([]);
    expect(test.status()).toMatchObject({ state: 'ready', evicting: false });
  });

  it('before the agent starts: an engine found running there is evicted, none is started', async () => {
    const before = await running();
    current = await before.nextAgent();
    current.fleet.applyDeviceStatus([fatal]);
    await current.fleet.start();
    await current.until('stopped');
    await noProcessLeft(current.directory);
    expect(current.status().incarnation).toBe('1');
  });

  it('news of an engine may bring news of its device in the same turn, as in the agent: one start, one stop', async () => {
    const test = aFleet();
    current = test;
    let devices = [healthy];
    test.fleet.onChange(() => test.fleet.applyDeviceStatus(devices));
    test.fleet.applyDeviceStatus(devices);
    await test.fleet.start();
    await test.until('ready');
    devices = [fatal];
    test.fleet.applyDeviceStatus(devices);
    await test.until('stopped');
    devices = [healthy];
    test.fleet.applyDeviceStatus(devices);
    expect(await test.until('ready')).toMatchObject({ incarnation: '2' });
  });

  it('a hold that comes between the decision to start and the start', async () => {
    const test = aFleet();
    current = test;
    test.fleet.applyDeviceStatus([healthy]);
    await test.fleet.start();
    test.fleet.applyDeviceStatus([fatal]);
    expect((await test.until('stopped')).reason).toContain('Xid 79');
    test.fleet.applyDeviceStatus([healthy]);
    await test.until('ready');
  });

  it('another device: nothing happens', async () => {
    const test = await running();
    test.fleet.applyDeviceStatus([healthy, { ...fatal, identity: aDeviceStatus(1).identity }]);
    expect(test.status().state).toBe('ready');
  });
});

describe('a device cordoned by an operator', () => {
  it('keeps its engine, but a crash is not followed by a start until the cordon is gone', async () => {
    const test = await running();
    test.fleet.applyDeviceStatus([cordoned]);
    expect(test.status().state).toBe('ready');
    process.kill(test.status().pid!, 'SIGKILL');
    await test.until('failed', (s) =>
      s.reason.includes('not restarted: device 0 is cordoned by operator:ann'),
    );
    expect(test.status().incarnation).toBe('1');
    test.fleet.applyDeviceStatus([healthy]);
    await test.until('ready', (s) => s.incarnation === '2');
  });
});

describe('a fault that wants a new process', () => {
  it('restarts the engine on the device, once per incident', async () => {
    const test = await running();
    const fault = aFault();
    test.fleet.applyFault(fault);
    expect(latest(test)).toMatchObject({ state: 'draining', evicting: true });
    await test.until('ready', (s) => s.incarnation === '2');
    test.fleet.applyFault(fault);
    expect(test.status()).toMatchObject({ state: 'ready', restarts: 1 });
  });

  it('restarts the engine whose process is named, and none for the process of somebody else', async () => {
    const test = await running({}, { seesHostPids: true });
    test.fleet.applyFault(aFault({ pid: 1 }));
    expect(test.status()).toMatchObject({ state: 'ready', restarts: 0 });
    test.fleet.applyFault(aFault({ pid: test.status().pid }));
    await test.until('ready', (s) => s.incarnation === '2');
  });

  it('leaves engines on other devices, and faults without that wish, alone', async () => {
    const test = await running();
    test.fleet.applyFault(aFault({ deviceUuid: deviceUuid(1) }));
    test.fleet.applyFault(aFault({ drain: 'none' }));
    test.fleet.applyFault(aFault({ deviceUuid: null }));
    expect(test.status().state).toBe('ready');
  });
});

describe('a drain asked for by an operator', () => {
  it('ends at its deadline when requests do not finish', async () => {
    const test = await running();
    await request(`${test.status().url}/set?running=1`);
    await test.fleet.drainEngine('chat-0', 300);
    expect(test.status()).toMatchObject({ state: 'draining', evicting: false });
    expect((await test.until('stopped')).reason).toBe('drained on request');
  });

  it('an engine that dies meanwhile is stopped, with its cause told', async () => {
    const test = await running();
    await request(`${test.status().url}/set?running=1`);
    await test.fleet.drainEngine('chat-0');
    process.kill(test.status().pid!, 'SIGKILL');
    expect((await test.until('stopped')).reason).toBe('drained on request (it killed by SIGKILL)');
  });
});

describe('the interface', () => {
  it('refuses with codes', async () => {
    const test = aFleet({}, { templates: { chat: aTemplate() } });
    current = test;
    await test.fleet.start();
    await test.until('ready');
    const { fleet } = test;
    await expect(fleet.stopEngine('no')).rejects.toMatchObject({ code: 'engine-unknown' });
    await expect(fleet.startEngine({ engineId: 'no' })).rejects.toMatchObject({ code: 'engine-unknown' });
    await expect(fleet.startEngine({ engineId: 'no', template: 'no' })).rejects.toMatchObject({
      code: 'template-unknown',
    });
    await expect(fleet.startEngine({ engineId: '../x', template: 'chat' })).rejects.toMatchObject({
      code: 'argument-invalid',
    });
    await expect(fleet.startEngine({ engineId: 'chat-0' })).rejects.toMatchObject({
      code: 'engine-wrong-state',
    });
    await expect(
      fleet.startEngine({ engineId: 'x', template: 'chat', devices: ['0'] }),
    ).rejects.toMatchObject({ code: 'device-in-use' });
    expect(fleet.list().map(({ id }) => id)).toEqual(['chat-0']);
  });

  it('starts an engine that is not configured on a free device, and forgets it when stopped', async () => {
    const test = await running();
    await test.fleet.startEngine({ engineId: 'extra', template: 'chat' });
    await test.until('ready', (s) => s.id === 'extra');
    expect(test.status('extra').deviceUuids).toEqual([deviceUuid(1)]);
    await test.fleet.stopEngine('extra');
    await test.until('ready', () => test.fleet.list().length === 1);
    await test.fleet.startEngine({ engineId: 'extra', template: 'chat' });
    expect(test.status('extra').incarnation).toBe('2');
  });
});
