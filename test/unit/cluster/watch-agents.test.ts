/** Watching agents over real gRPC: what the registry learns from what scripted agents say, and from their silence. */
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentWatcherOptions } from '../../../src/cluster/agent-watcher.js';
import { ClusterMetrics } from '../../../src/cluster/cluster-metrics.js';
import { EndpointRegistry } from '../../../src/cluster/endpoint-registry.js';
import { AgentWatchers } from '../../../src/cluster/watch-agents.js';
import type { WatchNodeListener } from '../../../src/rpc/node-streams.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { aNodeState, FakeAgent } from '../../support/fake-agent.js';
import { ManualClock } from '../../support/manual-clock.js';
import { anEngineStatus } from '../../support/node-fixtures.js';
import { eventually } from '../../support/running-up.js';

const silentAfterMs = 3500;
/** 100 ms and 20 % of jitter. */
const firstDelayMs = 121;
let clock: ManualClock;
let prometheus: Registry;
let registry: EndpointRegistry;
let watchers: AgentWatchers;
let agents: FakeAgent[];

beforeEach(() => {
  agents = [];
  clock = new ManualClock();
  prometheus = new Registry();
  watchers = createWatchers();
});
afterEach(() => {
  watchers.close();
  for (const agent of agents) agent.stop();
});

function createWatchers(connect?: AgentWatcherOptions['connect']): AgentWatchers {
  prometheus.clear();
  const metrics = new ClusterMetrics(prometheus);
  registry = new EndpointRegistry({ metrics, logger: silentLogger() });
  const options = { silentAfterMs, registry, clock, logger: silentLogger(), metrics };
  return new AgentWatchers(connect ? { ...options, connect } : options);
}

async function startAgent(...args: ConstructorParameters<typeof FakeAgent>): Promise<FakeAgent> {
  const agent = await new FakeAgent(...args).start();
  agents.push(agent);
  return agent;
}

const ids = () => [...registry.all()].map(({ id }) => id);
const described = (index = 0) => watchers.all[index]!.describe();
const count = async (name: string, labels: Record<string, string>): Promise<number | undefined> =>
  (await prometheus.getSingleMetric(name)?.get())?.values.find((value) =>
    Object.entries(labels).every(([key, label]) => value.labels[key] === label),
  )?.value;

/** Lets the back-off pass as often as it takes. */
function eventuallyRetried(what: string, condition: () => boolean): Promise<boolean> {
  return eventually(what, () => {
    if (condition()) return true;
    clock.advance(100);
    return false;
  });
}

describe('one agent', () => {
  const engines = [anEngineStatus('a'), anEngineStatus('b')];

  async function watched(): Promise<FakeAgent> {
    const agent = await startAgent({ engines });
    watchers.watch([{ address: agent.address }]);
    await eventually('the snapshot is applied', () => ids().length === 2);
    return agent;
  }

  it('a snapshot fills the registry, deltas change it', async () => {
    const agent = await watched();
    expect(described()).toMatchObject({
      watch: 'watching',
      reason: '',
      agentVersion: '1.2.3',
      silentForMs: 0,
      state: { node: 'gpu-a', revision: 1 },
    });
    agent.change({ engines: [anEngineStatus('b', { state: 'draining' })], removedEngines: ['a'] });
    await eventually('the delta is applied', () => registry.get('gpu-a/b')?.engineState === 'draining');
    expect(ids()).toEqual(['gpu-a/b']);
    expect(agent.watches).toBe(1);
    expect(await count('infernode_cluster_updates_total', { kind: 'delta' })).toBe(1);
  });

  it.each(['delta', 'heartbeat'])('a gap that a %s shows brings a new snapshot', async (kind) => {
    const agent = await watched();
    agent.changeSilently({ engines: [anEngineStatus('c')] });
    if (kind === 'delta') agent.change({ engines: [anEngineStatus('d')] });
    else agent.beat();
    await eventually('the gap is noticed', () => described().watch === 'connecting');
    clock.advance(firstDelayMs);
    await eventually('the new snapshot is applied', () => ids().includes('gpu-a/c'));
    expect(ids()).not.toContain('gpu-a/a');
    expect(agent.watches).toBe(2);
    expect(await count('infernode_cluster_reconnects_total', { reason: 'gap' })).toBe(1);
  });

  it('a new agent process replaces what was known, whatever its revision', async () => {
    const agent = await watched();
    agent.stop();
    agent.state = aNodeState({ epoch: 'e2', revision: 1, engines: [anEngineStatus('c')] });
    await agent.start();
    await eventuallyRetried('the new epoch is applied', () => ids().includes('gpu-a/c'));
    expect(ids()).toEqual(['gpu-a/c']);
  });

  it('a broken stream is no fault; silence marks the endpoints, and news unmark them', async () => {
    const agent = await watched();
    agent.stop();
    await eventually('the loss is noticed', () => described().watch === 'connecting');
    expect(registry.get('gpu-a/a')).toMatchObject({ nodeSilent: false, engineState: 'ready' });
    clock.advance(silentAfterMs + 250);
    expect(registry.get('gpu-a/a')).toMatchObject({ nodeSilent: true, engineState: 'ready' });
    expect(described()).toMatchObject({ watch: 'silent' });
    await agent.start();
    await eventuallyRetried('the agent is heard again', () => described().watch === 'watching');
    expect(registry.get('gpu-a/a')).toMatchObject({ nodeSilent: false });
  });

  it('an open stream without a word is silence as well, and is begun anew', async () => {
    const agent = await watched();
    clock.advance(silentAfterMs - 500);
    agent.beat();
    await eventually('the beat is heard', () => described().silentForMs === 0);
    clock.advance(silentAfterMs - 500);
    expect(described().watch).toBe('watching');
    clock.advance(1000);
    expect(described().watch).toBe('silent');
    clock.advance(firstDelayMs);
    await eventually('watched anew', () => described().watch === 'watching');
    expect(agent.watches).toBe(2);
    expect(await count('infernode_cluster_reconnects_total', { reason: 'silent' })).toBe(1);
  });

  it('an agent that is not there yet is tried again, at 2.4 s at the latest', async () => {
    const agent = await startAgent({ engines });
    agent.stop();
    watchers.watch([{ address: agent.address }]);
    await eventually('the first attempt failed', () => watchers.all[0]?.tried);
    expect(described()).toMatchObject({ watch: 'connecting', silentForMs: null, state: null });
    await agent.start();
    await eventuallyRetried('watched', () => ids().length === 2);
  });

  it('taken out of the configuration, it leaves with its endpoints', async () => {
    const agent = await watched();
    watchers.watch([{ address: agent.address }, { address: agent.address }]);
    expect([watchers.all.length, agent.watches]).toEqual([1, 1]);
    watchers.watch([]);
    expect(ids()).toEqual([]);
  });
});

describe('two agents under one node name', () => {
  const engines = [anEngineStatus('a')];

  async function two(machineOfSecond: string): Promise<[FakeAgent, FakeAgent]> {
    const first = await startAgent({ machineId: 'machine-1', engines });
    const second = await startAgent({
      machineId: machineOfSecond,
      engines: [anEngineStatus('z')],
      epoch: 'e9',
    });
    watchers.watch([{ address: first.address }]);
    await eventually('the first is watched', () => ids().length === 1);
    watchers.watch([{ address: first.address }, { address: second.address }]);
    await eventually('the second is refused', () => described(1).watch === 'refused');
    return [first, second];
  }

  it('another machine is refused in words while the first one speaks', async () => {
    const [first, second] = await two('machine-2');
    expect(described(1).reason).toMatch(/"gpu-a" is announced by two machines: machine-1 at .* machine-2/);
    expect(described(1).reason).toContain(first.address);
    expect(ids()).toEqual(['gpu-a/a']);
    expect(await count('infernode_cluster_refused_total', { reason: 'node-duplicate' })).toBe(1);
    await eventuallyRetried('the second is tried again', () => second.watches > 1);
    expect(ids()).toEqual(['gpu-a/a']);
  });

  it('it takes the place of the first after a minute of silence', async () => {
    const [first] = await two('machine-2');
    first.stop();
    await eventually('the loss is noticed', () => described(0).watch === 'connecting');
    clock.advance(55_000);
    expect(ids()).toEqual(['gpu-a/a']);
    await eventuallyRetried('the second is taken', () => described(1).watch === 'watching');
    expect(clock.monotonicMs()).toBeGreaterThan(1_000_000 + 60_000);
    expect(ids()).toEqual(['gpu-a/z']);
    expect(described(0)).toMatchObject({ watch: 'refused', state: null });
  });

  it('the same machine may move to another address at once, and is one node when listed twice', async () => {
    const [first] = await two('machine-1');
    expect(described(1).reason).toMatch(/list each agent once/);
    first.stop();
    await eventuallyRetried('the new address is taken', () => described(1).watch === 'watching');
    expect(clock.monotonicMs()).toBeLessThan(1_000_000 + 60_000);
    expect(ids()).toEqual(['gpu-a/z']);
  });
});

it('an eviction is told in the turn in which its message arrives', () => {
  const listeners: WatchNodeListener[] = [];
  watchers.close();
  watchers = createWatchers(() => ({
    watchNode: (listener) => {
      listeners.push(listener);
      return { cancel: () => undefined };
    },
    reportWork: () => ({ write: () => true, cancel: () => undefined }),
    close: () => undefined,
  }));
  watchers.watch([{ address: '127.0.0.1:1' }]);
  const evicted: string[] = [];
  registry.onNews((news) => evicted.push(...news.evicted.map(({ id }) => id)));
  const state = aNodeState({ engines: [anEngineStatus('a')] });
  listeners[0]!.onUpdate({ kind: 'snapshot', state, agentVersion: '' });
  listeners[0]!.onUpdate({
    kind: 'delta',
    delta: {
      epoch: 'e1',
      baseRevision: 1,
      revision: 2,
      driver: null,
      cordons: null,
      conditions: null,
      unsupportedChecks: null,
      devices: [],
      removedDevices: [],
      engines: [anEngineStatus('a', { evicting: true })],
      removedEngines: [],
    },
  });
  expect(evicted).toEqual(['gpu-a/a']);
});

it('credentials that cannot be read are an attempt that failed, not the end', () => {
  const tls = { ca: '/nowhere/ca.pem' };
  watchers.watch([{ address: '127.0.0.1:1', tls }]);
  expect(described()).toMatchObject({
    watch: 'connecting',
    reason: expect.stringContaining('tls.ca') as string,
  });
});
