// The loop over models: what it says before enough is known, and that nothing shrinks on bad input. A clock that only moves when told.
import { Registry } from 'prom-client';
import { beforeEach, expect, test } from 'vitest';
import { AutoscalingMetrics } from '../../../src/autoscaling/autoscaling-metrics.js';
import type { ReplicaView } from '../../../src/autoscaling/collect-signals.js';
import { ScalingLoop } from '../../../src/autoscaling/scaling-loop.js';
import { autoscalingSchema } from '../../../src/config/autoscaling-config.js';
import type { GatewayCounts } from '../../../src/domain/gateway-counts.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { ManualClock } from '../../support/manual-clock.js';

const idle: GatewayCounts = {
  requests: 0,
  answers: 0,
  queuedRequests: 0,
  queuedTokens: 0,
  timeToFirstToken: { bounds: [1, Infinity], atMost: [0, 0] },
  interToken: { bounds: [1, Infinity], atMost: [0, 0] },
};
const replica = (id: string, over: Partial<ReplicaView> = {}): ReplicaView => ({
  id,
  state: 'ready',
  usable: true,
  ageMs: 100,
  kvCacheUsageRatio: 0.01,
  waiting: 0,
  gpuUtilizationRatio: 0.1,
  inFlight: 0,
  gpus: ['NVIDIA A10'],
  unprefilledTokens: 0,
  prefillTokensPerSecond: null,
  ...over,
});
const fleet = (count: number): ReplicaView[] => Array.from({ length: count }, (_, i) => replica(`n${i}/e`));

let clock: ManualClock;
let registry: Registry;
let world: {
  models: string[];
  replicas: ReplicaView[];
  counts: Map<string, GatewayCounts> | null;
  agents: { total: number; unheard: number };
};
let loop: ScalingLoop;

beforeEach(() => {
  clock = new ManualClock();
  registry = new Registry();
  world = {
    models: ['m'],
    replicas: fleet(4),
    counts: new Map([['m', idle]]),
    agents: { total: 4, unheard: 0 },
  };
  loop = new ScalingLoop({
    config: autoscalingSchema.parse({}),
    sources: {
      models: () =>
        world.models.map((model) => ({ model, slo: { ttftMs: 500, itlMs: 100 }, replicas: world.replicas })),
      gateway: () => Promise.resolve(world.counts),
      agents: () => world.agents,
      modelOf: (name) => (name === 'alias' ? 'm' : undefined),
    },
    clock,
    logger: silentLogger(),
    metrics: new AutoscalingMetrics(registry),
  });
});

async function rounds(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    clock.advance(5000);
    await loop.decideAll();
  }
}
const limits = () => loop.get('m').decision?.limitedBy;

test('an idle fleet shrinks by one per cool-down, down to the minimum', async () => {
  await rounds(2);
  expect(loop.desired('m')).toBe(3);
  // It is still there for a while: the number stays.
  await rounds(10);
  expect(loop.desired('m')).toBe(3);
  world.replicas = fleet(3);
  await rounds(30);
  expect(loop.desired('m')).toBe(3);
  expect(limits()).toEqual(['cooldown-down']);
  await rounds(60);
  expect(loop.desired('m')).toBe(2);
});

test('an agent that was never heard may hold replicas: no number, then, after five minutes, what is known', async () => {
  world.agents = { total: 4, unheard: 1 };
  await rounds(3);
  expect(() => loop.desired('m')).toThrow(/1 of 4 agents have not been heard yet/);
  expect(await registry.metrics()).not.toContain('infernode_autoscaling_desired_replicas{');
  await rounds(60);
  expect(loop.desired('m')).toBeGreaterThan(0);
});

test('gateway workers that do not answer: the inputs grow old, and old inputs hold the fleet', async () => {
  world.counts = null;
  await rounds(40);
  expect(loop.desired('m')).toBe(4);
  expect(loop.get('m').signals.inputAgeMs).toBe(Infinity);
});

test('a source that throws costs a round, not the loop', async () => {
  world.counts = null;
  const failing = Promise.reject(new Error('gone'));
  failing.catch(() => undefined);
  Object.defineProperty(world, 'counts', { get: () => failing });
  await rounds(2);
  expect(loop.desired('m')).toBe(4);
});

test('replicas that fail one after the other never lower it', async () => {
  world.replicas = fleet(8);
  const busy = { unprefilledTokens: 1900, prefillTokensPerSecond: 1000, kvCacheUsageRatio: 0.84 };
  for (let failed = 0; failed <= 8; failed += 1) {
    world.replicas = fleet(8).map((one, i) => replica(one.id, i < failed ? { state: 'failed' } : busy));
    await rounds(20);
    expect(loop.desired('m'), `${failed} of 8 failed`).toBe(8);
  }
});

test('all agents silent: nothing shrinks, and a replica that was still to go stays', async () => {
  await rounds(2);
  expect(loop.desired('m')).toBe(3);
  world.replicas = fleet(4).map(({ id }) => replica(id, { ageMs: null }));
  await rounds(200);
  expect(loop.desired('m')).toBe(4);
  expect(loop.get('m').signals.reporting).toBe(0);
});

test('a loop that stands still gives no number after half a minute', async () => {
  await rounds(2);
  clock.advance(31_000);
  expect(() => loop.desired('m')).toThrow(/too old/);
  await loop.decideAll();
  expect(loop.desired('m')).toBe(3);
});

test('aliases lead to their model; others are an error that names what is known', async () => {
  await rounds(2);
  expect(loop.desired('alias')).toBe(3);
  expect(() => loop.desired('gpt-5')).toThrow(/got "gpt-5"; known: m/);
});

test('what is not known has no series', async () => {
  world.replicas = fleet(4).map(({ id }) => replica(id, { kvCacheUsageRatio: null, unprefilledTokens: 5 }));
  await rounds(1);
  const text = await registry.metrics();
  expect(text).toContain('infernode_autoscaling_ready_replicas{model="m"} 4');
  expect(text).not.toMatch(/infernode_autoscaling_(kv_cache_usage_\w+|backlog_seconds|slo_ratio)\{/);
});

test('a reload changes minimum and maximum from the next round on', async () => {
  await rounds(1);
  loop.reconfigure(autoscalingSchema.parse({ models: { m: { minReplicas: 6, maxReplicas: 6 } } }));
  await rounds(1);
  expect(loop.desired('m')).toBe(6);
});

test('a model that is gone for an hour takes its series along', async () => {
  const series = (): Promise<string> =>
    registry.getSingleMetricAsString('infernode_autoscaling_decisions_total');
  await rounds(2);
  expect(await series()).toContain('model="m"');
  world.models = [];
  await rounds(1);
  expect(await series()).toContain('model="m"');
  clock.advance(3_600_000);
  await rounds(1);
  expect(await series()).not.toContain('model="m"');
});
