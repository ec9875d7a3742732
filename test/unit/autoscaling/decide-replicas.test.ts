// The scaling decision: each signal, the hysteresis, cool-downs, steps, and above all what must never shrink a fleet.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideReplicas, ScalingMemory } from '../../../src/autoscaling/decide-replicas.js';
import {
  defaultPolicy,
  type ModelSignals,
  type ScalingDecision,
  type ScalingPolicy,
} from '../../../src/autoscaling/scaling-types.js';

const minute = 60_000;
const policy: ScalingPolicy = { ...defaultPolicy, minReplicas: 1, maxReplicas: 20 };

/** A fleet of four that is just right. */
function signals(over: Partial<ModelSignals> = {}): ModelSignals {
  return {
    model: 'm',
    replicas: { ready: 4, warming: 0, asleep: 0 },
    reporting: 4,
    queue: { requests: 0, tokens: 0 },
    running: 40,
    backlogSeconds: 1.9,
    kvCacheUsage: { mean: 0.8, max: 0.9 },
    sloRatio: 0.5,
    ttftP99Ms: 200,
    gpuUtilizationRatio: 0.9,
    incomingPerSecond: 10,
    inputAgeMs: 500,
    ...over,
  };
}

const idle = { backlogSeconds: 0, kvCacheUsage: { mean: 0.05, max: 0.1 }, sloRatio: 0.05, running: 1 };

function decide(
  over: Partial<ModelSignals>,
  { memory = new ScalingMemory(), nowMs = 10 * minute, using = policy } = {},
): ScalingDecision {
  return decideReplicas(signals(over), using, memory, nowMs);
}

describe('up', () => {
  test.each([
    ['the backlog', { backlogSeconds: 4 }, 8, /backlog 4\.00 s against 2 s/],
    ['the KV cache', { kvCacheUsage: { mean: 0.95, max: 1 } }, 5, /kv-cache/],
    ['the SLO ratio', { sloRatio: 0.8 }, 6, /slo-ratio 0\.80/],
    ['the queue', { queue: { requests: 260, tokens: 1 } }, 6, /queue/],
  ])('%s asks in proportion', (_, over, desired, reason) => {
    const decision = decide(over);
    expect(decision).toMatchObject({ desired, direction: 'up' });
    expect(decision.reason).toMatch(reason);
  });

  test('the largest of several signals wins, and each proposal is kept', () => {
    const decision = decide({ backlogSeconds: 4, sloRatio: 0.8 });
    expect(decision.desired).toBe(8);
    expect(decision.proposals.map(({ signal }) => signal)).toEqual([
      'slo-ratio',
      'backlog',
      'kv-cache',
      'queue',
    ]);
  });

  test('inside the hysteresis band nothing moves', () => {
    for (const sloRatio of [0.41, 0.5, 0.55]) expect(decide({ sloRatio }).direction).toBe('hold');
    expect(decide({ sloRatio: 4.7, sloSamples: 9 }).direction).toBe('hold');
    expect(decide({ sloRatio: 4.7, sloSamples: 10 }).direction).toBe('up');
  });

  test('a step, the maximum and the cool-down limit it, and say so', () => {
    expect(decide({ backlogSeconds: 40 })).toMatchObject({ desired: 8, limitedBy: ['step-up'] });
    expect(decide({ backlogSeconds: 40 }, { using: { ...policy, maxReplicas: 6 } })).toMatchObject({
      desired: 6,
      limitedBy: ['step-up', 'maximum'],
    });
    const memory = new ScalingMemory();
    expect(decide({ backlogSeconds: 4 }, { memory, nowMs: 0 }).direction).toBe('up');
    const loading = { backlogSeconds: 6, replicas: { ready: 4, warming: 4, asleep: 0 } };
    expect(decide(loading, { memory, nowMs: 59_000 })).toMatchObject({
      direction: 'hold',
      limitedBy: ['cooldown-up'],
    });
    expect(decide(loading, { memory, nowMs: 61_000 })).toMatchObject({ desired: 12, direction: 'up' });
  });

  test('a step may be taken in parts: the first sign of a crowd holds nothing back', () => {
    const memory = new ScalingMemory();
    expect(decide({ kvCacheUsage: { mean: 0.9, max: 1 } }, { memory, nowMs: 0 }).desired).toBe(5);
    const next = { backlogSeconds: 40, replicas: { ready: 4, warming: 1, asleep: 0 } };
    expect(decide(next, { memory, nowMs: 5_000 })).toMatchObject({ desired: 8, limitedBy: ['step-up'] });
  });

  test('a large fleet may double in a step', () => {
    const large = { backlogSeconds: 40, replicas: { ready: 8, warming: 0, asleep: 0 }, reporting: 8 };
    expect(decide(large).desired).toBe(16);
    expect(decide(large, { using: { ...policy, stepUpShare: 0 } }).desired).toBe(12);
  });

  test('a latency far over its target asks for half as many again, and for no more while it looks back on fewer replicas', () => {
    const memory = new ScalingMemory();
    const late = (ready: number, warming: number, atMs: number) =>
      decide(
        { sloRatio: 50, replicas: { ready, warming, asleep: 0 }, reporting: ready },
        { memory, nowMs: atMs },
      ).desired;
    expect(late(4, 0, 0)).toBe(6);
    expect(late(4, 2, 85_000)).toBe(6);
    expect(late(6, 0, 90_000)).toBe(6);
    expect(late(6, 0, 140_000)).toBe(6);
    expect(late(6, 0, 160_000)).toBe(9);
  });

  test('warming replicas count as credit: the same need is not asked for twice', () => {
    expect(decide({ backlogSeconds: 4, replicas: { ready: 4, warming: 4, asleep: 0 } }).direction).toBe(
      'hold',
    );
  });

  test('requests that nothing serves wake the first replica', () => {
    const decision = decide(
      {
        replicas: { ready: 0, warming: 0, asleep: 1 },
        reporting: 0,
        queue: { requests: 1, tokens: 9 },
        backlogSeconds: null,
        sloRatio: null,
        kvCacheUsage: null,
      },
      { using: { ...policy, minReplicas: 0 } },
    );
    expect(decision).toMatchObject({ desired: 1, direction: 'up' });
  });

  test('when half the fleet vanished at once, it is replaced one by one', () => {
    const memory = new ScalingMemory();
    decide({ replicas: { ready: 8, warming: 0, asleep: 0 }, reporting: 8 }, { memory, nowMs: 0 });
    expect(
      decide(
        { replicas: { ready: 3, warming: 0, asleep: 0 }, reporting: 3, backlogSeconds: 20 },
        { memory, nowMs: minute },
      ),
    ).toMatchObject({ next: 4, limitedBy: ['blast-radius'] });
  });
});

describe('the rules of the source documents', () => {
  test.each([
    ['p99 TTFT above 300 ms for 60 s: +1', { ttftP99Ms: 400 }, 60_000, 5],
    ['more than 100 waiting for 30 s: +2', { queue: { requests: 150, tokens: 1 } }, 30_000, 6],
  ])('%s', (_, over, forMs, desired) => {
    const memory = new ScalingMemory();
    expect(decide(over, { memory, nowMs: 0 }).direction).toBe('hold');
    expect(decide(over, { memory, nowMs: forMs - 1 }).direction).toBe('hold');
    expect(decide(over, { memory, nowMs: forMs })).toMatchObject({ desired, direction: 'up' });
  });

  test('once a cool-down, however often it is asked', () => {
    const memory = new ScalingMemory();
    decide({ ttftP99Ms: 400 }, { memory, nowMs: 0 });
    let warming = 0;
    for (let atMs = 60_000; atMs < 120_000; atMs += 5_000) {
      const { desired } = decide(
        { ttftP99Ms: 400, replicas: { ready: 4, warming, asleep: 0 } },
        { memory, nowMs: atMs },
      );
      warming = desired - 4;
    }
    expect(warming).toBe(1);
  });

  test('a condition that lapses starts anew', () => {
    const memory = new ScalingMemory();
    decide({ ttftP99Ms: 400 }, { memory, nowMs: 0 });
    decide({ ttftP99Ms: 200 }, { memory, nowMs: 30_000 });
    expect(decide({ ttftP99Ms: 400 }, { memory, nowMs: 60_000 }).direction).toBe('hold');
  });

  test('high GPU utilization is off by default: one decoding request shows it', () => {
    const memory = new ScalingMemory();
    decide({ gpuUtilizationRatio: 1 }, { memory, nowMs: 0 });
    expect(decide({ gpuUtilizationRatio: 1 }, { memory, nowMs: 5 * minute }).direction).toBe('hold');
  });
});

describe('down', () => {
  test('slowly: one replica a step, and 300 s between steps', () => {
    const memory = new ScalingMemory();
    expect(decide(idle, { memory, nowMs: 0 })).toMatchObject({
      desired: 3,
      direction: 'down',
      limitedBy: ['step-down'],
    });
    expect(decide(idle, { memory, nowMs: 299_000 }).limitedBy).toContain('cooldown-down');
    expect(decide(idle, { memory, nowMs: 301_000 }).direction).toBe('down');
  });

  test('by a quarter where much more than what is wanted stays', () => {
    const fleet = { replicas: { ready: 16, warming: 0, asleep: 0 }, reporting: 16 };
    expect(decide({ ...idle, ...fleet })).toMatchObject({ desired: 12, limitedBy: ['step-down'] });
    // 13 are wanted: one goes. 10 are wanted: 14 stay.
    expect(decide({ ...idle, ...fleet, backlogSeconds: 1.6 }).desired).toBe(15);
    expect(decide({ ...idle, ...fleet, backlogSeconds: 1.25 }).desired).toBe(14);
    expect(decide({ ...idle, ...fleet }, { using: { ...policy, stepDownShare: 0 } }).desired).toBe(15);
  });

  test('what was learnt at the edge does not hold a fleet that is twice too large', () => {
    const memory = new ScalingMemory();
    memory.lastDownAtMs = 0;
    memory.downCaution = 8;
    const fleet = { ...idle, replicas: { ready: 16, warming: 0, asleep: 0 }, reporting: 16 };
    expect(decide({ ...fleet, backlogSeconds: 1.1 }, { memory, nowMs: 301_000 }).direction).toBe('hold');
    expect(decide(fleet, { memory, nowMs: 301_000 }).direction).toBe('down');
  });

  test.each([
    ['inputs are stale', { inputAgeMs: 60_000 }, 'stale-inputs'],
    ['fewer than a quorum report', { reporting: 1 }, 'quorum'],
    ['replicas are warming', { replicas: { ready: 4, warming: 1, asleep: 0 } }, 'warming'],
  ])('never while %s', (_, over, limit) => {
    const decision = decide({ ...idle, ...over });
    expect(decision.direction).toBe('hold');
    expect(decision.limitedBy).toContain(limit);
  });

  test.each([['backlogSeconds'], ['kvCacheUsage'], ['sloRatio']] as const)(
    'never while %s is not known',
    (name) => {
      expect(decide({ ...idle, [name]: null }).direction).toBe('hold');
    },
  );
});

test('whatever comes in, the result is whole, within the steps, and never shrinks on missing or stale data', () => {
  const number = fc.oneof(fc.double(), fc.constantFrom(0, -1, NaN, Infinity, -Infinity, 1e300));
  fc.assert(
    fc.property(
      fc.record({
        ready: fc.nat(30),
        warming: fc.nat(5),
        reporting: fc.nat(30),
        backlog: fc.option(number),
        ratio: fc.option(number),
        kv: fc.option(number),
        waiting: number,
        age: fc.nat(100_000),
      }),
      ({ ready, warming, reporting, backlog, ratio, kv, waiting, age }) => {
        const decision = decide({
          replicas: { ready, warming, asleep: 0 },
          reporting,
          backlogSeconds: backlog,
          sloRatio: ratio,
          kvCacheUsage: kv === null ? null : { mean: kv, max: kv },
          queue: { requests: waiting, tokens: 0 },
          inputAgeMs: age,
        });
        const current = ready + warming;
        expect(Number.isInteger(decision.desired)).toBe(true);
        const down = Math.max(policy.maxStepDown, Math.floor(policy.stepDownShare * current));
        const up = Math.max(policy.maxStepUp, policy.stepUpShare * current);
        expect(decision.desired).toBeGreaterThanOrEqual(current - down);
        expect(decision.desired).toBeLessThanOrEqual(Math.max(current + up, policy.minReplicas));
        const blind =
          [backlog, ratio, kv].some((value) => value === null || !Number.isFinite(value) || value < 0) ||
          age > policy.staleAfterMs ||
          reporting < ready / 2;
        if (blind) expect(decision.desired).toBeGreaterThanOrEqual(current);
      },
    ),
    { numRuns: 500 },
  );
});
