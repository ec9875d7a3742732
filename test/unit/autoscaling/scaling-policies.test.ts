/** From a model's configuration to its policy: the presets, and each rule of the source documents with its figures. */
import { expect, test } from 'vitest';
import { decideReplicas, ScalingMemory } from '../../../src/autoscaling/decide-replicas.js';
import { policyOf } from '../../../src/autoscaling/scaling-policies.js';
import type { ModelSignals } from '../../../src/autoscaling/scaling-types.js';
import { scalingPolicySchema } from '../../../src/config/autoscaling-config.js';

const policy = (raw: object) => policyOf(scalingPolicySchema.parse(raw));
/** Four that are idle by every signal. */
const signals = (over: Partial<ModelSignals>): ModelSignals => ({
  model: 'm',
  replicas: { ready: 4, warming: 0, asleep: 0 },
  reporting: 4,
  queue: { requests: 0, tokens: 0 },
  running: 4,
  backlogSeconds: 0,
  kvCacheUsage: { mean: 0.1, max: 0.1 },
  sloRatio: 0.5,
  ttftP99Ms: 100,
  gpuUtilizationRatio: 0.5,
  incomingPerSecond: 1,
  inputAgeMs: 0,
  ...over,
});

test('the figures of the source documents: cool-downs 60 s and 300 s, hysteresis 0.40 and 0.55', () => {
  expect(policy({})).toMatchObject({
    cooldownUpMs: 60_000,
    cooldownDownMs: 300_000,
    sloRatioUp: 0.55,
    sloRatioDown: 0.4,
    minReplicas: 1,
    rules: [],
  });
  expect(policy({ preset: 'classic' }).rules.map(({ id, enabled }) => [id, enabled])).toEqual([
    ['ttft-p99', true],
    ['gpu-utilization-high', false],
    ['waiting', true],
    ['gpu-utilization-low', true],
  ]);
});

test.each<[string, Partial<ModelSignals>, Partial<ModelSignals>, number, number]>([
  ['ttft-p99', { ttftP99Ms: 301 }, { ttftP99Ms: 300 }, 60_000, 1],
  ['gpu-utilization-high', { gpuUtilizationRatio: 0.86 }, { gpuUtilizationRatio: 0.85 }, 120_000, 1],
  ['waiting', { queue: { requests: 101, tokens: 0 } }, { queue: { requests: 100, tokens: 0 } }, 30_000, 2],
  ['gpu-utilization-low', { gpuUtilizationRatio: 0.29 }, { gpuUtilizationRatio: 0.3 }, 600_000, -1],
])('%s fires beyond its limit and after its time, by so many', (id, beyond, within, forMs, change) => {
  const using = policy({ preset: 'classic', rules: { 'gpu-utilization-high': { enabled: true } } });
  const proposalsAfter = (ms: number, over: Partial<ModelSignals>): number | undefined => {
    const memory = new ScalingMemory();
    decideReplicas(signals(over), using, memory, 0);
    const { proposals } = decideReplicas(signals(over), using, memory, ms);
    return proposals.find(({ signal }) => signal === id)?.desired;
  };
  expect(proposalsAfter(forMs, beyond)).toBe(4 + change);
  expect(proposalsAfter(forMs - 1, beyond)).toBeUndefined();
  expect(proposalsAfter(forMs, within)).toBeUndefined();
});

test('a rule that removes takes effect only where no signal needs what there is', () => {
  const using = policy({ preset: 'classic' });
  const after = (over: Partial<ModelSignals>): number => {
    const memory = new ScalingMemory();
    const idle = signals({ gpuUtilizationRatio: 0.1, ...over });
    // The cool-down has passed by the time at which the rule may fire.
    memory.lastDownAtMs = 0;
    decideReplicas(idle, { ...using, cooldownDownMs: 600_000 }, memory, 0);
    return decideReplicas(idle, { ...using, cooldownDownMs: 600_000 }, memory, 600_000).desired;
  };
  expect(after({ sloRatio: 0.1 })).toBe(3);
  expect(after({ sloRatio: 0.5 })).toBe(4);
});

test('a change of a rule keeps the rest of it; a rule of one’s own needs only what differs', () => {
  const { rules } = policy({
    preset: 'classic',
    rules: { 'ttft-p99': { above: 800 }, waiting: { enabled: false }, mine: { above: 10, change: 3 } },
  });
  const named = (id: string) => rules.find((rule) => rule.id === id);
  expect(named('ttft-p99')).toMatchObject({ signal: 'ttftP99Ms', above: 800, forMs: 60_000, change: 1 });
  expect(named('waiting')?.enabled).toBe(false);
  expect(named('mine')).toMatchObject({ signal: 'waiting', above: 10, change: 3, enabled: true });
  // By name also where the preset leaves them out.
  expect(policy({ rules: { waiting: {} } }).rules).toMatchObject([{ id: 'waiting', above: 100, change: 2 }]);
});

test('thresholds that would flap are refused by the configuration', () => {
  expect(() => scalingPolicySchema.parse({ sloRatioDown: 0.6 })).toThrow(/less than sloRatioUp/);
  expect(() => scalingPolicySchema.parse({ minReplicas: 9 })).toThrow(/at most maxReplicas/);
});
