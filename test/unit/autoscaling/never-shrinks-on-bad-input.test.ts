// Whatever is reported, in whatever order and at whatever times: `desired` falls by a decision `down` alone, and none is made on bad input.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decideReplicas, ScalingMemory } from '../../../src/autoscaling/decide-replicas.js';
import { defaultPolicy, type ModelSignals } from '../../../src/autoscaling/scaling-types.js';

const maybe = (most: number) => fc.option(fc.double({ min: 0, max: most, noNaN: true }));
const odd = fc.constantFrom(NaN, -1, Infinity, -Infinity);
const round = fc.record({
  afterMs: fc.integer({ min: 0, max: 400_000 }),
  ready: fc.integer({ min: 0, max: 12 }),
  warming: fc.integer({ min: 0, max: 3 }),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  sloRatio: fc.oneof(maybe(2), odd),
  backlogSeconds: fc.oneof(maybe(10), odd),
  kv: fc.oneof(maybe(1), odd),
  queued: fc.integer({ min: 0, max: 300 }),
  inputAgeMs: fc.constantFrom(100, 14_000, 16_000, Infinity),
});

test('desired falls only where inputs are fresh, a quorum reports, nothing warms and nothing vanished', () => {
  fc.assert(
    fc.property(fc.array(round, { maxLength: 60 }), (rounds) => {
      const memory = new ScalingMemory();
      let nowMs = 0;
      let before: number | null = null;
      for (const {
        afterMs,
        ready,
        warming,
        share,
        sloRatio,
        backlogSeconds,
        kv,
        queued,
        inputAgeMs,
      } of rounds) {
        nowMs += afterMs;
        const reporting = Math.floor(ready * share);
        const signals: ModelSignals = {
          model: 'm',
          replicas: { ready, warming, asleep: 0 },
          reporting,
          queue: { requests: queued, tokens: 0 },
          running: 0,
          backlogSeconds,
          kvCacheUsage: kv === null ? null : { mean: kv, max: kv },
          sloRatio,
          ttftP99Ms: null,
          gpuUtilizationRatio: null,
          incomingPerSecond: null,
          inputAgeMs,
        };
        const decision = decideReplicas(signals, defaultPolicy, memory, nowMs);
        expect(Number.isInteger(decision.desired)).toBe(true);
        expect(decision.desired).toBeGreaterThanOrEqual(Math.min(1, defaultPolicy.minReplicas));
        if (decision.direction === 'down') {
          expect(inputAgeMs).toBeLessThanOrEqual(defaultPolicy.staleAfterMs);
          expect(reporting).toBeGreaterThanOrEqual(ready * defaultPolicy.quorum);
          expect(warming).toBe(0);
          for (const value of [sloRatio, backlogSeconds, kv])
            expect(value !== null && Number.isFinite(value) && value >= 0).toBe(true);
        } else if (before !== null && before <= defaultPolicy.maxReplicas)
          expect(decision.desired).toBeGreaterThanOrEqual(before);
        before = decision.desired;
      }
    }),
  );
});
