// Everything an engine can do wrong, with real processes: each ends in a state with a reason, an empty tree, and a restart
// where one is due.
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { EngineStatus } from '../../../src/domain/engine.js';
import { agentSchema } from '../../../src/config/agent-config.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { aDeviceStatus, deviceUuid } from '../../support/node-fixtures.js';
import { eventually } from '../../support/running-up.js';
import {
  aFleet,
  aTemplate,
  childPidOf,
  isGone,
  noProcessLeft,
  type FleetCase,
} from '../../support/engine-fleet.js';

let current: FleetCase | null = null;
afterEach(async () => {
  await current?.clear();
  current = null;
});

const byIndex = (ref: string): string => (/^\d$/.test(ref) ? deviceUuid(Number(ref)) : ref);

function states({ history }: FleetCase): EngineStatus[] {
  return history.filter((change): change is EngineStatus => 'state' in change);
}

describe('a start that cannot work', () => {
  it('a missing program is named, and tried again later', async () => {
    current = aFleet({}, { templates: { chat: aTemplate({}, { command: ['/nowhere/vllm'] }) } });
    await current.fleet.start();
    const failed = await current.until('failed');
    expect(failed.reason).toMatch(/program "\/nowhere\/vllm" does not exist; .*; next start in/);
    await eventually('a second try', () => current?.status().incarnation === '2');
  });

  it('a program that is not executable is named', async () => {
    current = aFleet();
    const file = join(current.directory, 'vllm');
    writeFileSync(file, '#!/bin/sh\n');
    chmodSync(file, 0o644);
    current.fleet.updateTemplates({ chat: aTemplate({}, { command: [file] }) });
    await current.fleet.start();
    expect((await current.until('failed')).reason).toContain(`program "${file}" is not executable`);
  });

  it('shell metacharacters are arguments, not commands', async () => {
    const args = ['$(touch /tmp/never)', ';', '`id`', '&& false'];
    current = aFleet({}, { templates: { chat: aTemplate({}, { args }) } });
    await current.fleet.start();
    const { pid } = await current.until('ready');
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    expect(words.slice(-5, -1)).toEqual(args);
  });

  it('an engine that is not ready in time is ended and started again', async () => {
    const chat = aTemplate({ readyAfterMs: 60_000 }, { startTimeoutMs: 1000 });
    current = aFleet({}, { templates: { chat } });
    await current.fleet.start();
    const failed = await current.until('failed');
    expect(failed.reason).toMatch(/^it was not ready and went no step forward for 1 s \(launch\)/);
    await eventually('a second try', () => current?.status().incarnation === '2');
  });

  it('the first error of the log is the reason', async () => {
    current = aFleet({ exit: { afterMs: 10, code: 1 }, readyAfterMs: 5000 });
    await current.fleet.start();
    expect((await current.until('failed')).reason).toMatch(
      /^exited with code 1: ValueError: the fake was told to end/,
    );
  });
});

describe('an engine that ends by itself', () => {
  it('killed by SIGKILL: evicting at once, the orphan is gone, a new incarnation serves', async () => {
    current = aFleet({ child: 'stubborn' });
    await current.fleet.start();
    const { pid } = await current.until('ready');
    const child = childPidOf(current.runDir(1));
    process.kill(pid!, 'SIGKILL');
    const crashed = await eventually('news of the crash', () =>
      states(current!).find((s) => s.state === 'failed'),
    );
    expect(crashed).toMatchObject({ evicting: true, pid: null, incarnation: '1' });
    expect(crashed.reason).toMatch(/^killed by SIGKILL/);
    const again = await current.until('ready', (s) => s.incarnation === '2');
    expect(again).toMatchObject({ restarts: 1, evicting: false });
    expect(isGone(child)).toBe(true);
    const exit = JSON.parse(readFileSync(join(current.runDir(1), 'exit.json'), 'utf8')) as {
      data: Record<string, unknown>;
    };
    expect(exit.data).toMatchObject({ code: null, signal: 'SIGKILL', requested: false });
    expect(exit.data['treeEmptyAtUnixMs']).toEqual(expect.any(Number));
  });

  it('exit code 0 is a crash as well', async () => {
    current = aFleet();
    await current.fleet.start();
    const { url } = await current.until('ready');
    await request(`${url}/exit?code=0`).catch(() => undefined);
    await current.until('ready', (s) => s.incarnation === '2');
    expect(states(current).find((s) => s.state === 'failed')).toMatchObject({
      reason: 'exited with code 0, which nobody asked for; its log names no error',
      evicting: true,
    });
    expect(await current.metric('infernode_engine_crashes_total')).toBe(1);
  });

  it('a 503 without a body counts as dead although the process stands', async () => {
    current = aFleet();
    await current.fleet.start();
    const { url } = await current.until('ready');
    await request(`${url}/set?health=503`);
    await current.until('ready', (s) => s.incarnation === '2');
    expect(states(current).some((s) => s.evicting && s.reason.includes('/health says'))).toBe(true);
  });

  it('starts that fail again and again wait longer each time', async () => {
    current = aFleet({ exit: { afterMs: 0, code: 3 }, readyAfterMs: 5000 });
    await current.fleet.start();
    await eventually('a third try', () => Number(current?.status().incarnation) >= 3);
    const waits = states(current).flatMap((s) => /next start in ([\d.]+) s/.exec(s.reason)?.[1] ?? []);
    expect(waits.length).toBeGreaterThanOrEqual(2);
  });
});

describe('an engine that does not want to end', () => {
  it('is killed with its child after the grace', async () => {
    const chat = aTemplate({ ignoreTerm: true, child: 'stubborn' }, { stopGraceMs: 200 });
    current = aFleet({}, { templates: { chat } });
    await current.fleet.start();
    await current.until('ready');
    await current.fleet.stopEngine('chat-0');
    await current.until('stopped');
    await noProcessLeft(current.directory);
    const outcomes = await current.registry.getSingleMetric('infernode_engine_stop_outcome_total')?.get();
    expect(outcomes?.values.map(({ labels }) => labels['outcome'])).toEqual(['killed']);
  });

  it('is not started on a device that still holds its memory, and says so', async () => {
    let released = false;
    current = aFleet({}, { devicesReleased: async () => released });
    await current.fleet.start();
    const { pid } = await current.until('ready');
    process.kill(pid!, 'SIGKILL');
    const stuck = await current.until('failed', (s) => s.reason.startsWith('stuck:'));
    expect(stuck.reason).toMatch(/memory of process(es)? \d+.* is still held/);
    expect(current.status().incarnation).toBe('1');
    released = true;
    await current.until('ready', (s) => s.incarnation === '2');
  });
});

describe('an engine that floods its output', () => {
  const limit = 256 * 1024;
  it.each([
    ['stdout with a gibibyte', { flood: 1024 ** 3 }],
    ['stderr', { floodStderr: 64 * 1024 ** 2 }],
    ['both', { flood: 16 * 1024 ** 2, floodStderr: 16 * 1024 ** 2 }],
  ])('%s is neither blocked nor able to fill the disk', async (_, plan) => {
    current = aFleet(plan, { settings: { logMaxBytes: limit } });
    await current.fleet.start();
    await current.until('ready');
    const runDir = current.runDir(1);
    const logs = (): string[] => readdirSync(runDir).filter((name) => name.startsWith('engine.log'));
    // While it floods, one is renamed and the next not there yet for a moment.
    await eventually('there is a log and the one before', () => logs().length === 2);
    expect(logs().every((name) => /^engine\.log(?:\.1)?$/.test(name))).toBe(true);
    const sizeOf = (name: string): number =>
      statSync(join(runDir, name), { throwIfNoEntry: false })?.size ?? 0;
    expect(logs().reduce((sum, name) => sum + sizeOf(name), 0)).toBeLessThanOrEqual(limit);
  });
});

describe('an engine that answers garbage on /metrics', () => {
  it('serves on: nothing is known of its load, and nothing follows from that', async () => {
    const chat = aTemplate({}, { watchdogMs: 1000 });
    const workOn = () => [{ leaseId: 'c/1', requestId: 'c/1' }];
    current = aFleet({}, { templates: { chat }, inputs: { workOn } });
    await current.fleet.start();
    const { url, pid } = await current.until('ready');
    const readsOf = async () => Number(await (await request(`${url}/reads`)).body.text());
    for (const kind of [1, 2, 3]) {
      await request(`${url}/set?garbage=${kind}`);
      const before = await readsOf();
      // Pages are read each second while work is there: longer than the watchdog waits.
      await eventually('it was read again and again', async () => (await readsOf()) >= before + 3);
    }
    expect(current.status()).toMatchObject({ state: 'ready', pid, incarnation: '1', restarts: 0 });
  });
});

describe('devices that cannot be had', () => {
  const withDevices = (...lists: (number | string)[][]) =>
    lists.map((devices, n) => ({
      ...{ id: `chat-${n}`, origin: 'supervised' as const, template: 'chat', autostart: true },
      devices,
    }));

  it.each([
    ['one that the node does not have', withDevices([9], []), /^not started: device 9 is not known/],
    [
      'the same by index and by UUID',
      withDevices([0, deviceUuid(0)]),
      /^not started: device GPU-.* is named twice, by index and UUID; name it once$/,
    ],
    ['more than are free', withDevices([], [], []), /^not started: expected 2 free devices, found 0$/],
  ])('%s: said, and the others start', async (what, engines, reason) => {
    const chat = aTemplate({}, what.startsWith('more') ? { gpus: 2 } : {});
    current = aFleet(
      {},
      { engines, templates: { chat }, resolveDevice: (ref) => (ref === '9' ? null : byIndex(ref)) },
    );
    await current.fleet.start();
    const bad = engines[what.startsWith('more') ? 2 : 0]!.id;
    expect((await current.until('stopped', ({ id }) => id === bad)).reason).toMatch(reason);
    for (const { id } of engines.filter((engine) => engine.id !== bad))
      await current.until('ready', (status) => status.id === id);
  });

  it('the same for two engines, by index and by UUID: both say who, neither starts, and one sentence names both', async () => {
    const logger = silentLogger();
    const said = vi.spyOn(logger, 'error');
    current = aFleet({}, { engines: withDevices([0], [deviceUuid(0)], [1]), logger });
    await current.fleet.start();
    for (let i = 0; i < 2; i += 1) current.fleet.applyDeviceStatus([aDeviceStatus(0), aDeviceStatus(1)]);
    expect(said.mock.calls).toEqual([
      [
        { device: deviceUuid(0), engines: ['chat-0', 'chat-1'] },
        expect.stringMatching(/^engines "chat-0" and "chat-1" are configured for one device/),
      ],
    ]);
    for (const [id, other] of [
      ['chat-0', 'chat-1'],
      ['chat-1', 'chat-0'],
    ])
      expect((await current.until('stopped', (status) => status.id === id)).reason).toContain(
        `is in use by engine "${other}"`,
      );
  });

  it.each([
    [withDevices([0], [0]), /device 0 is claimed twice, by "chat-0" and "chat-1"/],
    [withDevices([0, 0]), /device 0 is claimed twice/],
    [withDevices(['gpu0']), /expected a device index or a GPU-\.\.\. UUID/],
    [withDevices([-1]), /expected number to be >=0/],
  ])('the configuration refuses %j', (engines, message) => {
    const parsed = agentSchema.safeParse({ templates: { chat: { model: 'm' } }, engines });
    expect(parsed.error?.issues.map((issue) => issue.message).join()).toMatch(message);
  });
});
