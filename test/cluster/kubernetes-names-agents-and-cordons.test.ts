/**
 * An agent and a coordinator in a cluster, against an API server with real HTTP: the coordinator finds the agent by its EndpointSlice, and a
 * node that Kubernetes cordons takes no new requests until Kubernetes lifts it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runAgent } from '../../src/agent.js';
import { agentSchema } from '../../src/config/agent-config.js';
import { coordinatorSchema } from '../../src/config/coordinator-config.js';
import { runCoordinator } from '../../src/coordinator.js';
import type { ClusterState } from '../../src/domain/cluster-state.js';
import { ClusterServiceClient } from '../../src/rpc/cluster-service-client.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { FakeFleet, FakeSampler, fakeParts } from '../support/fake-agent-parts.js';
import { FakeKubeApi } from '../support/fake-kube-api.js';
import { anEngineStatus, aNodeSample } from '../support/node-fixtures.js';
import { eventually } from '../support/running-up.js';

const nodes = '/api/v1/nodes';
const slices = '/apis/discovery.k8s.io/v1/namespaces/infernode/endpointslices';
const run = { clock: systemClock, logger: silentLogger(), version: '1.2.3' };

let directory: string;
let api: FakeKubeApi;
const closers: (() => Promise<void> | void)[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infernode-kubernetes-'));
  api = new FakeKubeApi();
  writeFileSync(join(directory, 'token'), api.token);
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(directory, { recursive: true, force: true });
});

it('finds the agent, and honours what kubectl says of its node', async () => {
  const access = { server: await api.start(), tokenFile: join(directory, 'token') };
  closers.push(() => api.stop());
  api.put(nodes, { metadata: { name: 'gpu-a' }, spec: {}, status: {} });
  const agent = await runAgent(
    agentSchema.parse({
      node: { name: 'gpu-a', machineId: 'm' },
      stateDir: join(directory, 'state'),
      listen: { control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' },
      kubernetes: access,
    }),
    { ...run, parts: fakeParts(new FakeSampler(aNodeSample()), new FakeFleet([anEngineStatus('a')])) },
  );
  closers.push(() => agent.close());
  const coordinator = await runCoordinator(
    coordinatorSchema.parse({
      listen: {
        gateway: '127.0.0.1:0',
        control: '127.0.0.1:0',
        probe: '127.0.0.1:0',
        metrics: '127.0.0.1:0',
      },
      discovery: { endpointSlice: access },
    }),
    run,
  );
  closers.push(() => coordinator.close());
  const client = new ClusterServiceClient({ address: coordinator.addresses.control });
  closers.push(() => client.close());
  const endpoints = async (): Promise<ClusterState['endpoints']> => (await client.getCluster()).endpoints;
  expect(await endpoints()).toEqual([]);

  const [host = '', port] = agent.addresses.control.split(':');
  api.put(slices, {
    metadata: { name: 'one', labels: { 'kubernetes.io/service-name': 'infernode-agent' } },
    addressType: 'IPv4',
    ports: [{ name: 'control', port: Number(port) }],
    endpoints: [{ addresses: [host] }],
  });
  await eventually('the endpoint', async () => (await endpoints())[0]?.eligible);

  api.put(nodes, { metadata: { name: 'gpu-a' }, spec: { unschedulable: true } });
  await eventually('not eligible', async () => (await endpoints())[0]?.eligible === false);
  expect((await endpoints())[0]?.reason).toContain('kubernetes');
  api.put(nodes, { metadata: { name: 'gpu-a' }, spec: {} });
  await eventually('eligible again', async () => (await endpoints())[0]?.eligible);
});
