/** The agent and its Node object: it hears a cordon, tells its GPUs' state as a condition, and leaves the other conditions alone. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Registry } from 'prom-client';
import { KubeClient } from '../../../src/kubernetes/kube-client.js';
import { KubernetesMetrics } from '../../../src/kubernetes/kubernetes-metrics.js';
import { conditionOf, OwnNode } from '../../../src/kubernetes/own-node.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { FakeKubeApi } from '../../support/fake-kube-api.js';
import { aDeviceStatus } from '../../support/node-fixtures.js';
import { eventually } from '../../support/running-up.js';

const nodes = '/api/v1/nodes';
let api: FakeKubeApi;
let client: KubeClient;
let node: OwnNode;
let directory: string;
let heard: boolean[];

beforeEach(async () => {
  api = new FakeKubeApi();
  directory = mkdtempSync(join(tmpdir(), 'infernode-kube-'));
  writeFileSync(join(directory, 'token'), api.token);
  client = new KubeClient({ server: await api.start(), tokenFile: join(directory, 'token') });
  api.put(nodes, { metadata: { name: 'gpu-b' }, spec: { unschedulable: true } });
  api.put(nodes, {
    metadata: { name: 'gpu-a' },
    spec: {},
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  });
  heard = [];
  node = new OwnNode({
    client,
    nodeName: 'gpu-a',
    clock: systemClock,
    logger: silentLogger(),
    metrics: new KubernetesMetrics(new Registry()),
    onUnschedulable: (unschedulable) => heard.push(unschedulable),
  });
});
afterEach(async () => {
  await node.close();
  await client.close();
  await api.stop();
  rmSync(directory, { recursive: true, force: true });
});

interface Conditions {
  conditions: { type: string; status: string; reason: string; message: string; lastTransitionTime: string }[];
}
const condition = (type: string) =>
  (api.get(nodes, 'gpu-a')?.['status'] as Conditions).conditions.find((one) => one.type === type);

it('hears that Kubernetes cordoned its node, and only its own', async () => {
  await eventually('the first news', () => heard.length === 1);
  api.put(nodes, { metadata: { name: 'gpu-a' }, spec: { unschedulable: true } });
  await eventually('the cordon', () => heard.length === 2);
  api.put(nodes, { metadata: { name: 'gpu-a' }, spec: {} });
  await eventually('its end', () => heard.length === 3);
  expect(heard).toEqual([false, true, false]);
});

it('tells an unhealthy GPU and its return, beside what others say of the node', async () => {
  node.report([aDeviceStatus(0), aDeviceStatus(1)]);
  await eventually('healthy', () => condition('GPUUnhealthy')?.status === 'False');
  const since = condition('GPUUnhealthy')?.lastTransitionTime;
  node.report([
    aDeviceStatus(0),
    aDeviceStatus(1, { health: 'unhealthy', reason: 'Xid 79', action: 'reboot-node' }),
  ]);
  await eventually('unhealthy', () => condition('GPUUnhealthy')?.status === 'True');
  expect(condition('GPUUnhealthy')?.message).toMatch(/^GPU 1 \(GPU-.*\): Xid 79; wants reboot-node$/);
  expect(Date.parse(condition('GPUUnhealthy')!.lastTransitionTime)).toBeGreaterThanOrEqual(
    Date.parse(since!),
  );
  expect(condition('Ready')).toEqual({ type: 'Ready', status: 'True' });
  expect(api.get(nodes, 'gpu-a')?.['spec']).toEqual({});
});

it('writes again after a server that failed, with the next change', async () => {
  api.failing = 500;
  node.report([aDeviceStatus(0)]);
  await eventually('a failed write', () => api.requests.some((request) => request.startsWith('PATCH')));
  api.failing = null;
  node.report([aDeviceStatus(0, { health: 'unknown' })]);
  await eventually('written', () => condition('GPUUnhealthy')?.status === 'Unknown');
});

it('no device and no news are unknown, not healthy', () => {
  expect(conditionOf([])).toMatchObject({ status: 'Unknown', message: 'no GPU is known' });
  expect(conditionOf([aDeviceStatus(0, { health: 'degraded' })])).toMatchObject({ status: 'False' });
});
