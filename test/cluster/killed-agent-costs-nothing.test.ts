// `kill -9` of an agent while 100 streams run: engines live under keepers, the coordinator still routes to a silent node,
// and the restarted agent adopts what it finds. Zero client errors, no engine restarted.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NodeServiceClient } from '../../src/rpc/node-service-client.js';
import { inOrder } from '../../src/cli/status-table.js';
import { eventually, processesOf, startUp, type RunningUp } from '../support/running-up.js';
import { openStream } from '../support/sse-client.js';
import { readFileSync } from 'node:fs';

let up: RunningUp;
beforeAll(async () => {
  up = await startUp('--nodes', '1');
}, 120_000);
afterAll(() => up.interrupt());

function agentPid(): number {
  const pid = processesOf(up.directory).find((one) =>
    readFileSync(`/proc/${one}/cmdline`, 'utf8').includes('\0agent\0'),
  );
  if (pid === undefined) throw new Error('no agent process found');
  return pid;
}

test('100 streams end well and the engines are adopted', async () => {
  const client = new NodeServiceClient({ address: up.ready.agents[0]?.grpc ?? '' });
  const before = await client.listEngines();
  const { epoch } = (await client.getNode()).state;
  const streams = Array.from({ length: 100 }, (_, i) =>
    openStream(up.ready.gateway, {
      model: 'chat',
      messages: [{ role: 'user', content: `request ${i}` }],
      max_tokens: 150,
      ignore_eos: true,
    }),
  );
  await Promise.all(streams.slice(0, 20).map(({ firstByte }) => firstByte));
  process.kill(agentPid(), 'SIGKILL');

  const results = await Promise.all(streams.map(({ result }) => result));
  expect(results.filter(({ status, done, error }) => status !== 200 || !done || error !== null)).toEqual([]);

  const after = await eventually('the agent is back with all engines ready', async () => {
    const state = await client.getNode().then(
      ({ state }) => state,
      () => null,
    );
    return (
      state &&
      state.epoch !== epoch &&
      state.engines.every((engine) => engine.state === 'ready') &&
      state.engines
    );
  });
  const identity = (engines: typeof before) =>
    inOrder(engines).map(({ id, pid, incarnation, restarts }) => ({ id, pid, incarnation, restarts }));
  expect(identity(after)).toEqual(identity(before));
  client.close();
});
