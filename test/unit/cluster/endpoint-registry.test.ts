/** What a node's state amounts to as endpoints, and who is told what in which order. */
import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { ClusterMetrics } from '../../../src/cluster/cluster-metrics.js';
import { EndpointRegistry, type EndpointNews } from '../../../src/cluster/endpoint-registry.js';
import { endpointsOf, type NodeView } from '../../../src/cluster/node-endpoints.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { aNodeState } from '../../support/fake-agent.js';
import { aDeviceStatus, anEngineStatus, deviceUuid } from '../../support/node-fixtures.js';

const heard: NodeView = { nodeSilent: false, judgeUrl: () => null };
const silent: NodeView = { ...heard, nodeSilent: true };
const cordon = (holder: string) => ({ holder, reason: '', sinceMs: 0 });

describe('endpointsOf', () => {
  it('gathers what node, devices and engine say', () => {
    const [endpoint] = endpointsOf(
      aNodeState({
        cordons: [cordon('operator:ann')],
        devices: [
          aDeviceStatus(0, { health: 'degraded', reason: 'warm' }),
          aDeviceStatus(1, { health: 'unhealthy', reason: 'Xid 79', cordons: [cordon('health:xid')] }),
          aDeviceStatus(2, { health: 'unhealthy', cordons: [cordon('driver-release')] }),
        ],
        engines: [
          anEngineStatus('chat-0', {
            deviceUuids: [deviceUuid(0), deviceUuid(1)],
            cordons: [cordon('operator:ann'), cordon('kubernetes')],
            load: { running: 1, waiting: 0, kvCacheUsageRatio: 0, kvCacheBlocks: 1000, kvBlockTokens: 16 },
          }),
        ],
      }),
      heard,
    );
    expect(endpoint).toMatchObject({
      id: 'gpu-a/chat-0',
      node: 'gpu-a',
      engineId: 'chat-0',
      cordonHolders: ['operator:ann', 'health:xid', 'kubernetes'],
      deviceHealth: 'unhealthy',
      deviceReason: 'Xid 79',
      // 1000 blocks of 16 tokens are 31.25 blocks of 512.
      capacityBlocks: 31,
      maxConcurrent: 256,
      nodeSilent: false,
    });
  });

  it('an engine without devices is healthy; one whose device is not listed is unknown', () => {
    const [none, missing] = endpointsOf(
      aNodeState({
        engines: [
          anEngineStatus('a', { deviceUuids: [], load: null, maxConcurrentRequests: 32 }),
          anEngineStatus('b'),
        ],
      }),
      silent,
    );
    expect(none).toMatchObject({
      deviceHealth: 'healthy',
      capacityBlocks: null,
      maxConcurrent: 32,
      nodeSilent: true,
    });
    expect(missing).toMatchObject({ deviceHealth: 'unknown' });
    expect(missing?.deviceReason).toContain(deviceUuid(0));
  });
});

it('an engine whose key is not told gets no requests, and the reason says what to do', () => {
  const warned: unknown[] = [];
  const logger = Object.assign(silentLogger(), { warn: (fields: unknown) => void warned.push(fields) });
  const registry = new EndpointRegistry({ metrics: new ClusterMetrics(new Registry()), logger });
  const told = (engine: object) => {
    registry.applyNode(aNodeState({ engines: [anEngineStatus('a', engine)] }), heard);
    return registry.get('gpu-a/a');
  };
  const withheld = told({ keyRequired: true });
  expect(withheld).toMatchObject({
    engineState: 'failed',
    engineReason: expect.stringMatching(/^key-required: .*role scaler/) as string,
  });
  expect(warned).toEqual([{ endpoint: 'gpu-a/a', reason: withheld?.engineReason }]);
  expect(told({ keyRequired: true, apiKey: 'k' })).toMatchObject({ engineState: 'ready', apiKey: 'k' });
  expect(warned).toHaveLength(1);
});

it('requests that are suspected of ending engines are named once for each death', () => {
  const warned: unknown[] = [];
  const logger = Object.assign(silentLogger(), { warn: (fields: unknown) => void warned.push(fields) });
  const registry = new EndpointRegistry({ metrics: new ClusterMetrics(new Registry()), logger });
  const died = (incarnation: string, suspectedPoison: string[]) => {
    const lastDeath = {
      ...{ incarnation, suspectedPoison },
      cause: 'killed',
      reason: 'killed by SIGSEGV',
      atMs: 1,
      lostWork: [],
    };
    registry.applyNode(aNodeState({ engines: [anEngineStatus('a', { lastDeath })] }), heard);
  };
  died('1', []);
  died('2', ['r-1']);
  died('2', ['r-1']);
  died('3', ['r-1']);
  const named = { endpoint: 'gpu-a/a', workIds: ['r-1'], reason: 'killed by SIGSEGV' };
  expect(warned).toEqual([named, named]);
});

it('an engine that was not started yet has no URL, and is what its node says', () => {
  const state = aNodeState({
    engines: [anEngineStatus('a', { url: '', state: 'stopped', reason: 'not started' })],
  });
  expect(endpointsOf(state, heard)[0]).toMatchObject({ engineState: 'stopped', engineReason: 'not started' });
});

describe('EndpointRegistry', () => {
  let registry: EndpointRegistry;
  let news: EndpointNews[];
  const ids = (list: readonly { id: string }[]) => list.map(({ id }) => id);

  beforeEach(() => {
    registry = new EndpointRegistry({ metrics: new ClusterMetrics(new Registry()), logger: silentLogger() });
    news = [];
    registry.onNews((batch) => news.push(batch));
  });

  it('one batch per state, with what differs and nothing else', () => {
    registry.applyNode(aNodeState({ engines: [anEngineStatus('a'), anEngineStatus('b')] }), heard);
    registry.applyNode(
      aNodeState({ engines: [anEngineStatus('b', { state: 'draining' }), anEngineStatus('c')] }),
      heard,
    );
    expect(news.map(({ changed, removed }) => [ids(changed), ids(removed)])).toEqual([
      [['gpu-a/a', 'gpu-a/b'], []],
      [['gpu-a/b', 'gpu-a/c'], ['gpu-a/a']],
    ]);
    expect(ids([...registry.all()])).toEqual(['gpu-a/b', 'gpu-a/c']);
  });

  it('says nothing when only readings moved', () => {
    const load = { running: 1, waiting: 0, kvCacheUsageRatio: 0.1, kvCacheBlocks: null, kvBlockTokens: null };
    registry.applyNode(aNodeState({ engines: [anEngineStatus('a', { load })] }), heard);
    registry.applyNode(
      aNodeState({ engines: [anEngineStatus('a', { load: { ...load, running: 9 } })] }),
      heard,
    );
    expect(news).toHaveLength(1);
  });

  it('an eviction is told once, with the reason of the device', () => {
    const evicting = aNodeState({
      devices: [aDeviceStatus(0, { health: 'unhealthy', reason: 'Xid 79' })],
      engines: [anEngineStatus('a', { evicting: true })],
    });
    registry.applyNode(aNodeState({ engines: [anEngineStatus('a')] }), heard);
    registry.applyNode(evicting, heard);
    registry.applyNode(evicting, silent);
    expect(news.map(({ evicted }) => evicted)).toEqual([[], [{ id: 'gpu-a/a', reason: 'Xid 79' }], []]);
  });

  it('a node that leaves takes its endpoints and no others', () => {
    registry.applyNode(aNodeState({ engines: [anEngineStatus('a')] }), heard);
    registry.applyNode(aNodeState({ node: 'gpu-b', engines: [anEngineStatus('a')] }), heard);
    registry.removeNode('gpu-a');
    registry.removeNode('gpu-a');
    expect(ids([...registry.all()])).toEqual(['gpu-b/a']);
    expect(news).toHaveLength(3);
  });

  it('a listener that throws keeps no other one from hearing', () => {
    const told: EndpointNews[] = [];
    registry.onNews(() => {
      throw new Error('broken listener');
    });
    registry.onNews((batch) => told.push(batch));
    registry.applyNode(aNodeState({ engines: [anEngineStatus('a')] }), heard);
    expect(told).toHaveLength(1);
  });
});
