/** A coordinator before a hundred agents over real gRPC: all are watched, and any agent's change reaches placement. */
import { afterEach, expect, it } from 'vitest';
import { coordinatorSchema } from '../../src/config/coordinator-config.js';
import { runCoordinator } from '../../src/coordinator.js';
import { ClusterServiceClient } from '../../src/rpc/cluster-service-client.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { FakeAgent } from '../support/fake-agent.js';
import { aDeviceStatus, anEngineStatus } from '../support/node-fixtures.js';
import { eventually } from '../support/running-up.js';

const closers: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

it('watches all of them and heeds each one', async () => {
  const agents = await Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      new FakeAgent({
        node: `node-${i}`,
        machineId: `machine-${i}`,
        devices: [aDeviceStatus(0)],
        engines: [anEngineStatus('chat-0')],
      }).start(),
    ),
  );
  closers.push(() => agents.forEach((agent) => agent.stop()));
  const any = '127.0.0.1:0';
  const coordinator = await runCoordinator(
    coordinatorSchema.parse({
      listen: { gateway: any, control: any, probe: any, metrics: any },
      agents: agents.map(({ address }) => ({ address })),
    }),
    { clock: systemClock, logger: silentLogger(), version: '1.2.3' },
  );
  const client = new ClusterServiceClient({ address: coordinator.addresses.control });
  closers.push(
    () => coordinator.close(),
    () => client.close(),
  );
  const eligible = async () => {
    const { models } = await client.getCluster();
    return models.map(({ endpoints, eligibleEndpoints }) => [endpoints, eligibleEndpoints])[0];
  };
  const become = (what: string, expected: [number, number]) =>
    eventually(what, async () => JSON.stringify(await eligible()) === JSON.stringify(expected));
  await become('all are there', [100, 100]);
  const cordon = [{ holder: 'operator:ann', reason: 'maintenance', sinceMs: 0 }];
  for (const agent of agents) agent.change({ cordons: cordon });
  await become('all are cordoned', [100, 0]);
  for (const agent of agents.slice(0, 30)) agent.change({ cordons: [] });
  await become('thirty are back', [100, 30]);
  agents[99]!.change({ removedEngines: ['chat-0'] });
  await become('one engine is gone', [99, 30]);
  expect((await client.getCluster()).nodes.every(({ watch }) => watch === 'watching')).toBe(true);
}, 60_000);
