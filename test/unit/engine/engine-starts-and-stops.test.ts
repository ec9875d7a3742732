// An engine's plain life with real processes: keeper, leader, child. Starts, becomes ready, is stopped, and the tree is gone.
import { readFileSync, statSync } from 'node:fs';
import { request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { deviceUuid } from '../../support/node-fixtures.js';
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

describe('an engine of the configuration', () => {
  it('starts, becomes ready, tells its load, and leaves no process when stopped', async () => {
    current = aFleet({ child: 'plain' });
    await current.fleet.start();
    expect(current.status()).toMatchObject({ state: 'starting', incarnation: '1' });
    const ready = await current.until('ready', (s) => s.load !== null);
    expect(ready).toMatchObject({
      reason: '',
      servedModels: ['fake-model'],
      deviceUuids: [deviceUuid(0)],
      maxConcurrentRequests: 256,
      evicting: false,
      restarts: 0,
      load: { running: 0, waiting: 0, kvCacheUsageRatio: 0.25, kvCacheBlocks: 1000, kvBlockTokens: 16 },
    });
    const child = childPidOf(current.runDir(1));
    await current.fleet.stopEngine('chat-0');
    expect(current.status()).toMatchObject({ state: 'draining' });
    const stopped = await current.until('stopped');
    expect(stopped).toMatchObject({ reason: 'stopped on request', pid: null });
    expect(isGone(child)).toBe(true);
    await noProcessLeft(current.directory);
    expect(await current.metric('infernode_engine_stop_outcome_total')).toBe(1);
  });

  it('gives the engine its devices by UUID and none of the agent’s own variables', async () => {
    process.env['NOTIFY_SOCKET'] = '/run/none';
    process.env['INFERNODE_LOG_LEVEL_X'] = 'debug';
    try {
      current = aFleet();
      await current.fleet.start();
      const { url } = await current.until('ready');
      const env = (await (await request(`${url}/env`)).body.json()) as Record<string, string>;
      expect(env).toMatchObject({ CUDA_VISIBLE_DEVICES: deviceUuid(0), PYTHONHASHSEED: '0', NO_COLOR: '1' });
      expect(Object.keys(env).filter((name) => /^(NOTIFY_SOCKET|INFERNODE_LOG)/.test(name))).toEqual([]);
    } finally {
      delete process.env['NOTIFY_SOCKET'];
      delete process.env['INFERNODE_LOG_LEVEL_X'];
    }
  });

  it('keeps files and directories of a run to its user and secrets out of keeper.json', async () => {
    current = aFleet({}, { templates: { chat: aTemplate({}, { args: ['--api-key', 'very-secret'] }) } });
    await current.fleet.start();
    await current.until('ready');
    const runDir = current.runDir(1);
    expect(statSync(runDir).mode & 0o777).toBe(0o700);
    for (const file of ['keeper.json', 'engine.log', 'keeper.sock'])
      expect(statSync(`${runDir}/${file}`).mode & 0o077).toBe(0);
    expect(readFileSync(`${runDir}/keeper.json`, 'utf8')).not.toContain('very-secret');
  });
});
