/** Agents by EndpointSlices, over a real API surface: what comes, goes, and what a control plane in trouble must not change. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Registry } from 'prom-client';
import { addressesIn, discoverAgents, type EndpointSlice } from '../../../src/kubernetes/discover-agents.js';
import { KubeClient } from '../../../src/kubernetes/kube-client.js';
import { KubernetesMetrics } from '../../../src/kubernetes/kubernetes-metrics.js';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/runtime/clock.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { FakeKubeApi } from '../../support/fake-kube-api.js';
import { eventually } from '../../support/running-up.js';

const slices = '/apis/discovery.k8s.io/v1/namespaces/infernode/endpointslices';
const labels = { 'kubernetes.io/service-name': 'infernode-agent' };

function slice(name: string, ...addresses: string[]): EndpointSlice & { [member: string]: unknown } {
  return {
    metadata: { name, labels },
    addressType: 'IPv4',
    ports: [
      { name: 'metrics', port: 9472 },
      { name: 'control', port: 9470 },
    ],
    endpoints: addresses.map((address) => ({ addresses: [address] })),
  };
}

describe('over the API', () => {
  let api: FakeKubeApi;
  let metrics: Registry;
  let directory: string;
  let client: KubeClient;
  let discovery: { close(): void };
  let agents: readonly string[] | null = null;

  beforeEach(async () => {
    api = new FakeKubeApi();
    metrics = new Registry();
    directory = mkdtempSync(join(tmpdir(), 'infernode-kube-'));
    writeFileSync(join(directory, 'token'), api.token);
    client = new KubeClient({ server: await api.start(), tokenFile: join(directory, 'token') });
    api.put(slices, slice('one', '10.0.0.1', '10.0.0.2'));
    api.put(slices, { ...slice('other', '10.9.9.9'), metadata: { name: 'other', labels: {} } });
    discovery = discoverAgents({
      client,
      namespace: 'infernode',
      service: 'infernode-agent',
      portName: 'control',
      clock: systemClock,
      logger: silentLogger(),
      metrics: new KubernetesMetrics(metrics),
      onAgents: (addresses) => (agents = addresses),
    });
    await eventually('the list', () => agents?.length === 2);
    await eventually('the watch', () => api.watches === 1);
  });
  afterEach(async () => {
    discovery.close();
    await client.close();
    await api.stop();
    agents = null;
    rmSync(directory, { recursive: true, force: true });
  });

  it('hears what comes and goes', async () => {
    api.put(slices, slice('two', '10.0.0.3'));
    await eventually('one more', () => agents?.includes('10.0.0.3:9470'));
    api.put(slices, slice('one', '10.0.0.2'));
    await eventually('one less', () => !agents?.includes('10.0.0.1:9470'));
    api.remove(slices, 'two');
    await eventually('a slice less', () => agents?.length === 1);
    expect(agents).toEqual(['10.0.0.2:9470']);
  });

  it.each(['cut', 'expired'] as const)(
    'goes on after a watch that was %s, and misses nothing',
    async (how) => {
      api.endWatches(how);
      api.put(slices, slice('two', '10.0.0.3'));
      await eventually('the change of meanwhile', () => agents?.length === 3);
    },
  );

  it('keeps what it knows while the API server is away', async () => {
    api.failing = 500;
    api.endWatches('cut');
    const failures = async () =>
      (await metrics.getSingleMetric('infernode_kubernetes_failures_total')!.get()).values[0]?.value ?? 0;
    await eventually('two failures', async () => (await failures()) >= 2);
    expect(agents).toEqual(['10.0.0.1:9470', '10.0.0.2:9470']);
    api.failing = null;
    api.put(slices, slice('two', '10.0.0.3'));
    await eventually('it is back', () => agents?.length === 3);
  });
});

it('a slice without the port, an address twice, IPv6, no endpoints', () => {
  expect(
    addressesIn(
      [
        slice('a', '10.0.0.2', '10.0.0.1'),
        slice('b', '10.0.0.1'),
        { ...slice('c', '10.0.0.3'), ports: [{ name: 'web', port: 80 }] },
        { ...slice('d', 'fd00::1'), addressType: 'IPv6' },
        { ...slice('e'), endpoints: null },
      ],
      'control',
    ),
  ).toEqual(['10.0.0.1:9470', '10.0.0.2:9470', '[fd00::1]:9470']);
});
