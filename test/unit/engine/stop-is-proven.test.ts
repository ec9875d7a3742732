// The end of an engine, step by step, with real processes: what each step proves, what is removed, and what happens when
// something cannot be proven.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DeathJournal } from '../../../src/engine/death-journal.js';
import { EngineRun } from '../../../src/engine/engine-run.js';
import { SharedMemoryNews } from '../../../src/engine/shared-memory-news.js';
import { removeSharedFiles, sharedFilesOf } from '../../../src/engine/shared-memory.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { eventually } from '../../support/running-up.js';
import { aFleet, aTemplate, noProcessLeft, type FleetCase } from '../../support/engine-fleet.js';
import { deviceUuid } from '../../support/node-fixtures.js';

let current: FleetCase | null = null;
afterEach(async () => {
  await current?.clear();
  current = null;
});

describe('shared memory', () => {
  const file = `/dev/shm/psm_infernode_test_${process.pid}`;
  afterEach(() => rmSync(file, { force: true }));

  it('that a killed engine leaves behind is removed', async () => {
    current = aFleet({ sharedFile: file, ignoreTerm: true });
    await current.fleet.start();
    const { pid } = await current.until('ready');
    await eventually('the file is there', () => existsSync(file));
    expect(await sharedFilesOf([pid!], { maps: true })).toEqual([file]);
    await current.fleet.drainEngine('chat-0', 0);
    await current.until('stopped');
    expect(existsSync(file)).toBe(false);
  });

  it('that an engine makes a moment before it is killed is removed as well', async () => {
    const looks = vi.spyOn(EngineRun.prototype, 'refreshPids');
    current = aFleet();
    await current.fleet.start();
    const { url, pid } = await current.until('ready');
    await Promise.all(looks.mock.results.map(({ value }) => value as Promise<void>));
    const before = looks.mock.calls.length;
    await request(`${url}/share?file=${file}`);
    await eventually('it was looked for at once', () => looks.mock.calls.length > before);
    await looks.mock.results.at(-1)?.value;
    process.kill(pid!, 'SIGKILL');
    await current.until('ready', (s) => s.incarnation === '2');
    expect(existsSync(file)).toBe(false);
    looks.mockRestore();
  });

  it('of other kinds is no news, and without listeners nobody watches', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'infernode-shm-'));
    const news = new SharedMemoryNews(systemClock, silentLogger(), directory);
    let told = 0;
    const deafen = news.listen(() => void (told += 1));
    writeFileSync(join(directory, 'somebody'), '');
    writeFileSync(join(directory, 'nccl-1'), '');
    writeFileSync(join(directory, 'nccl-2'), '');
    await eventually('one word for both', () => told === 1);
    deafen();
    writeFileSync(join(directory, 'nccl-3'), '');
    const missing = new SharedMemoryNews(systemClock, silentLogger(), join(directory, 'none'));
    missing.listen(() => undefined)();
    rmSync(directory, { recursive: true });
    expect(told).toBe(1);
  });

  it('of anybody else is never touched', async () => {
    expect(await removeSharedFiles(['/dev/shm/somebody', '/etc/passwd', '/dev/shm/../../etc/psm_x'])).toEqual(
      [],
    );
    expect(existsSync('/etc/passwd')).toBe(true);
  });
});

describe('a death', () => {
  it('goes through the same steps as a stop, and they are kept', async () => {
    current = aFleet({ child: 'stubborn' });
    await current.fleet.start();
    const { pid } = await current.until('ready');
    process.kill(pid!, 'SIGKILL');
    await current.until('ready', (s) => s.incarnation === '2');
    const [death] = await new DeathJournal(join(current.directory, 'engines', 'chat-0')).latest(1);
    expect(death?.stop).toMatchObject({ outcome: 'clean', detail: '' });
    expect(death?.stop?.steps.every(({ proven }) => proven)).toBe(true);
    // Says by what means the tree was seen to be empty: a cgroup where one can be made, the keeper's walk where not.
    const keeper = JSON.parse(readFileSync(join(current.runDir(1), 'keeper.json'), 'utf8')) as {
      data: { endsTreeBy: string };
    };
    expect(death?.stop?.steps[0]?.detail).toContain(keeper.data.endsTreeBy === 'cgroup' ? 'cgroup' : 'walk');
  });
});

describe('a device that still holds the memory', () => {
  it('is stuck: a metric says so, nothing starts on it, and it is free again when the memory is', async () => {
    let released = false;
    const chat = aTemplate();
    const engines = [0, 1].map((n) => ({
      id: `chat-${n}`,
      origin: 'supervised' as const,
      template: 'chat',
      devices: [n],
      autostart: n === 0,
    }));
    current = aFleet({}, { templates: { chat }, engines, devicesReleased: async () => released });
    await current.fleet.start();
    await current.until('ready', ({ id }) => id === 'chat-0');
    await current.fleet.stopEngine('chat-0');
    await current.until('failed', (s) => s.reason.startsWith('stuck:'));
    expect(await current.metric('infernode_engine_device_stuck')).toBe(1);
    expect(await current.metric('infernode_engine_unproven_steps_total')).toBe(1);
    await expect(
      current.fleet.startEngine({ engineId: 'chat-1', devices: [deviceUuid(0)] }),
    ).rejects.toMatchObject({ code: 'device-in-use' });
    released = true;
    await current.until('stopped', ({ id }) => id === 'chat-0');
    expect(await current.metric('infernode_engine_device_stuck')).toBe(0);
    await noProcessLeft(current.directory);
  });
});
