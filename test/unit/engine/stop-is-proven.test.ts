// The end of an engine, step by step, with real processes: what each step proves, what is removed, and what happens when
// something cannot be proven.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { DeathJournal } from '../../../src/engine/death-journal.js';
import { removeSharedFiles, sharedFilesOf } from '../../../src/engine/shared-memory.js';
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
