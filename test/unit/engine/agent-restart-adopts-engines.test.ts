// What an agent process finds of its predecessor: engines that run are taken over untouched, and what cannot be believed is
// set aside without a signal to anybody who is not ours. Real processes; the "restart" is a second fleet over one directory.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../../../src/runtime/logger.js';
import { eventually } from '../../support/running-up.js';
import {
  aFleet,
  childPidOf,
  isGone,
  noProcessLeft,
  processesIn,
  type FleetCase,
} from '../../support/engine-fleet.js';

let current: FleetCase | null = null;
afterEach(async () => {
  await current?.clear();
  current = null;
});

interface KeeperJson {
  bootId: string;
  data: { keeperPid: number; leaderPid: number; leaderStartTime: string; keeperStartTime: string };
}

function keeperJson(test: FleetCase, incarnation = 1): KeeperJson {
  return JSON.parse(readFileSync(join(test.runDir(incarnation), 'keeper.json'), 'utf8')) as KeeperJson;
}

async function running(plan = {}): Promise<FleetCase> {
  current = aFleet(plan);
  await current.fleet.start();
  await current.until('ready');
  return current;
}

describe('an agent that comes back', () => {
  it('takes the engine over: same process, same incarnation, ready when start() resolves', async () => {
    const before = await running();
    const { pid, url } = before.status();
    current = await before.nextAgent();
    await current.fleet.start();
    expect(current.status()).toMatchObject({ state: 'ready', pid, url, incarnation: '1', restarts: 0 });
    expect(await current.metric('infernode_engine_adopted_total')).toBe(1);
    await current.fleet.stopEngine('chat-0');
    await current.until('stopped');
    await noProcessLeft(current.directory);
  });

  it('hears of a crash of an engine that it took over', async () => {
    const before = await running();
    current = await before.nextAgent();
    await current.fleet.start();
    process.kill(current.status().pid!, 'SIGKILL');
    await current.until('ready', (s) => s.incarnation === '2');
  });

  it('starts anew what ended while no agent ran', async () => {
    const before = await running();
    const { url } = before.status();
    await before.fleet.close();
    await request(`${url}/exit?code=7`).catch(() => undefined);
    await eventually('the keeper has ended', () => processesIn(before.directory).length === 0);
    const logger = silentLogger();
    const warned = vi.spyOn(logger, 'warn');
    current = await before.nextAgent({ logger });
    await current.fleet.start();
    expect((await current.until('ready')).incarnation).toBe('2');
    const exit = expect.objectContaining({ engine: 'chat-0' }) as unknown;
    expect(warned).toHaveBeenCalledWith(exit, 'the engine ended while no agent ran');
  });

  it('keeps an engine stopped that an operator had stopped', async () => {
    const before = await running();
    await before.fleet.stopEngine('chat-0');
    await before.until('stopped');
    const logger = silentLogger();
    const warned = vi.spyOn(logger, 'warn');
    current = await before.nextAgent({ logger });
    await current.fleet.start();
    expect(warned).not.toHaveBeenCalled();
    expect(current.status()).toMatchObject({ state: 'stopped', incarnation: '1' });
    await current.fleet.startEngine({ engineId: 'chat-0' });
    expect((await current.until('ready')).incarnation).toBe('2');
  });

  it('stopping all engines with the agent does not mean that they stay down', async () => {
    const before = await running();
    await before.fleet.close({ stopEngines: true });
    await noProcessLeft(before.directory);
    current = await before.nextAgent();
    await current.fleet.start();
    expect((await current.until('ready')).incarnation).toBe('2');
  });

  it('ends an engine that left the configuration', async () => {
    const before = await running();
    current = await before.nextAgent({ engines: [] });
    await current.fleet.start();
    await eventually('it leaves the list', () => current?.fleet.list().length === 0);
    expect(current.history).toContainEqual({ removed: 'chat-0' });
    await noProcessLeft(current.directory);
  });
});

describe('records that cannot be believed', () => {
  it('a truncated keeper.json is set aside; the keeper answers, so the engine goes on', async () => {
    const before = await running();
    const { pid } = before.status();
    await before.fleet.close();
    truncateSync(join(before.runDir(1), 'keeper.json'), 20);
    current = await before.nextAgent();
    await current.fleet.start();
    expect(current.status()).toMatchObject({ state: 'ready', pid, incarnation: '1' });
    expect(await current.metric('infernode_engine_state_files_set_aside_total')).toBe(1);
    expect(existsSync(join(current.runDir(1), 'keeper.json.bad'))).toBe(true);
  });

  it('a truncated engine.json loses the address: the engine is ended and starts cold, one incarnation on', async () => {
    const before = await running({ child: 'stubborn' });
    const pid = before.status().pid!;
    await before.fleet.close();
    truncateSync(join(before.directory, 'engines/chat-0/engine.json'), 30);
    current = await before.nextAgent();
    await current.fleet.start();
    expect((await current.until('ready')).incarnation).toBe('2');
    expect(isGone(pid)).toBe(true);
    expect(await current.metric('infernode_engine_state_files_set_aside_total')).toBe(1);
  });

  it('a keeper.json of another boot signals nobody, whoever has its pids now', async () => {
    const before = await running();
    await before.fleet.close({ stopEngines: true });
    // The keeper takes its socket with it a moment after its last word.
    await noProcessLeft(before.directory);
    const stranger = spawn('sleep', ['60'], { detached: true });
    try {
      // As a power cut leaves it: record and socket are there, the processes are not, and their pids belong to others.
      const record = {
        keeperPid: stranger.pid,
        keeperStartTime: '1',
        leaderPid: stranger.pid,
        leaderStartTime: '1',
        cgroup: null,
        argvHash: null,
      };
      const boots = { schema: 1, bootId: 'another-boot', data: record };
      writeFileSync(join(before.runDir(1), 'keeper.json'), JSON.stringify(boots));
      writeFileSync(join(before.runDir(1), 'keeper.sock'), '');
      current = await before.nextAgent();
      await current.fleet.start();
      await current.until('ready', (s) => s.incarnation === '2');
      expect(await current.metric('infernode_engine_state_files_set_aside_total')).toBe(1);
      expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    } finally {
      stranger.kill();
    }
  });

  it('a keeper.json whose pids were given to somebody else signals nobody', async () => {
    const before = await running();
    const { bootId } = keeperJson(before);
    await before.fleet.close({ stopEngines: true });
    const stranger = spawn('sleep', ['60'], { detached: true });
    try {
      const record = {
        keeperPid: stranger.pid,
        keeperStartTime: '1',
        leaderPid: stranger.pid,
        leaderStartTime: '1',
        cgroup: null,
        argvHash: null,
      };
      writeFileSync(
        join(before.runDir(1), 'keeper.json'),
        JSON.stringify({ schema: 1, bootId, data: record }),
      );
      writeFileSync(join(before.runDir(1), 'keeper.sock'), '');
      truncateSync(join(before.runDir(1), 'exit.json'), 10);
      current = await before.nextAgent();
      await current.fleet.start();
      await current.until('ready', (s) => s.incarnation === '2');
      expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    } finally {
      stranger.kill();
    }
  });
});

describe('a keeper that is killed', () => {
  it('under a running agent: its engine is ended whole and comes back', async () => {
    const test = await running({ child: 'stubborn' });
    const { keeperPid, leaderPid } = keeperJson(test).data;
    const child = childPidOf(test.runDir(1));
    process.kill(keeperPid, 'SIGKILL');
    const failed = await test.until('failed');
    expect(failed).toMatchObject({
      evicting: true,
      reason: expect.stringContaining('its keeper was killed') as string,
    });
    expect((await test.until('ready', (s) => s.incarnation === '2')).restarts).toBe(1);
    expect(isGone(leaderPid)).toBe(true);
    expect(isGone(child)).toBe(true);
  });

  it('together with its agent: the next agent ends what is left before it starts anew', async () => {
    const before = await running({ child: 'stubborn' });
    const { keeperPid, leaderPid } = keeperJson(before).data;
    const child = childPidOf(before.runDir(1));
    await before.fleet.close();
    process.kill(keeperPid, 'SIGKILL');
    current = await before.nextAgent();
    await current.fleet.start();
    await current.until('ready', (s) => s.incarnation === '2');
    expect(isGone(leaderPid)).toBe(true);
    expect(isGone(child)).toBe(true);
  });

  it('and its record lost as well: the run mark finds the tree', async () => {
    const before = await running({ child: 'plain' });
    const { keeperPid, leaderPid } = keeperJson(before).data;
    const child = childPidOf(before.runDir(1));
    await before.fleet.close();
    process.kill(keeperPid, 'SIGKILL');
    writeFileSync(join(before.runDir(1), 'keeper.json'), '{');
    current = await before.nextAgent();
    await current.fleet.start();
    await current.until('ready', (s) => s.incarnation === '2');
    expect(isGone(leaderPid)).toBe(true);
    expect(isGone(child)).toBe(true);
  });
});
