// `kill -9` of an engine's API server under load: its orphans are ended too, the engine comes back with a new
// incarnation, and clients see a reroute or, where bytes had been sent, the coded error event; never anything else.
import { readFileSync, existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NodeServiceClient } from '../../src/rpc/node-service-client.js';
import { eventually, processesOf, startUp, type RunningUp } from '../support/running-up.js';
import { openStream } from '../support/sse-client.js';

let up: RunningUp;
beforeAll(async () => {
  up = await startUp();
}, 120_000);
afterAll(() => up.interrupt());

/** Pids whose environment names the device, engine core and workers included. */
function treeOf(device: string): number[] {
  return processesOf(up.directory).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`CUDA_VISIBLE_DEVICES=${device}`);
    } catch {
      return false;
    }
  });
}

test('the tree goes, the engine returns, requests move', async () => {
  const agent = up.ready.agents[0];
  const client = new NodeServiceClient({ address: agent?.grpc ?? '' });
  const before = (await client.listEngines()).find(({ id }) => id === 'engine-0');
  const device = before?.deviceUuids[0] ?? '';
  const tree = treeOf(device);
  expect(tree.length).toBeGreaterThan(1);

  const streams = Array.from({ length: 20 }, (_, i) =>
    openStream(up.ready.gateway, {
      model: 'chat',
      messages: [{ role: 'user', content: `r${i} ${`word${i} `.repeat(1000)}` }],
      max_tokens: 100,
      ignore_eos: true,
    }),
  );
  await Promise.any(streams.map(({ firstByte }) => firstByte));
  process.kill(before?.pid ?? 0, 'SIGKILL');

  const results = await Promise.all(streams.map(({ result }) => result));
  for (const { status, done, error, text } of results) {
    if (error === null) expect({ status, done }).toEqual({ status: 200, done: true });
    else
      expect({ code: error.code, done, begun: text.length > 0 }).toEqual({
        code: 'stream-interrupted',
        done: false,
        begun: true,
      });
  }
  await eventually('the old tree is gone', () => tree.every((pid) => !existsSync(`/proc/${pid}`)));
  const after = await eventually('the engine is back', async () =>
    (await client.listEngines()).find(({ id, state }) => id === 'engine-0' && state === 'ready'),
  );
  expect(Number(after.incarnation)).toBe(Number(before?.incarnation) + 1);
  expect(after.restarts).toBe((before?.restarts ?? 0) + 1);
  client.close();
});
