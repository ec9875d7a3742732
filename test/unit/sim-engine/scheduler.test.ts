// The serving model without a process: blocks shared by content, LRU eviction, budgets, preemption. Time is a number here.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BlockPool } from '../../../src/sim/engine/block-pool.js';
import { renderChatPrompt } from '../../../src/sim/engine/chat-prompt.js';
import { EngineRequest, type RequestParameters } from '../../../src/sim/engine/engine-request.js';
import { Scheduler, type SchedulerLimits } from '../../../src/sim/engine/scheduler.js';
import { defaultStepCost, stepMs } from '../../../src/sim/engine/step-cost.js';
import { tokenizeText } from '../../../src/sim/engine/tokenizer.js';

const limits: SchedulerLimits = {
  maxSequences: 8,
  maxBatchedTokens: 256,
  blockSize: 16,
  prefixCaching: true,
  policy: 'fcfs',
};

let counter = 0;
function request(promptTokens: Int32Array | number, more: Partial<RequestParameters> = {}): EngineRequest {
  const tokens =
    typeof promptTokens === 'number'
      ? Int32Array.from({ length: promptTokens }, (_, i) => 1000 + i)
      : promptTokens;
  const parameters = {
    id: `r${++counter}`,
    promptTokens: tokens,
    maxTokens: 4,
    minTokens: 0,
    ignoreEos: true,
    stop: [],
    stopTokenIds: [],
    priority: 0,
    seed: 0,
    cacheSalt: '',
    ...more,
  };
  return new EngineRequest(parameters, 0, () => undefined);
}

/** Runs until nothing is left; returns the number of steps. */
function drain(scheduler: Scheduler, mostSteps = 10_000): number {
  let steps = 0;
  while (scheduler.hasWork() && steps < mostSteps) scheduler.complete(scheduler.schedule(), ++steps);
  return steps;
}

describe('prefix cache', () => {
  test('a repeated prompt hits every full block but the one with its last token', () => {
    const scheduler = new Scheduler(limits, 100);
    const hits = [64, 64, 65].map((length) => {
      const one = request(length);
      scheduler.add(one);
      drain(scheduler);
      return one.cachedTokens;
    });
    expect(hits).toEqual([0, 48, 64]);
  });

  test('the blocks of a reply are hit when the next turn quotes it', () => {
    const scheduler = new Scheduler(limits, 1000);
    const options = { addGenerationPrompt: true };
    const question = { role: 'user', content: 'How does paging of the cache work in this engine?' };
    const first = request(renderChatPrompt([question], options), { maxTokens: 80 });
    let reply = '';
    scheduler.add(first);
    while (scheduler.hasWork()) {
      scheduler.complete(scheduler.schedule(), 1);
      reply += first.takeOutput()?.text ?? '';
    }
    const conversation = [
      question,
      { role: 'assistant', content: reply },
      { role: 'user', content: 'And then?' },
    ];
    const second = request(renderChatPrompt(conversation, options));
    scheduler.add(second);
    drain(scheduler);
    // The last token of the reply was never computed, so its block may be missing.
    expect(second.cachedTokens).toBe(Math.floor((first.length - 1) / 16) * 16);
  });

  test('salts and adapters share nothing; switched off there are no hits', () => {
    const scheduler = new Scheduler(limits, 100);
    for (const cacheSalt of ['', 'tenant']) {
      const one = request(64, { cacheSalt });
      scheduler.add(one);
      drain(scheduler);
      expect(one.cachedTokens).toBe(0);
    }
    const off = new Scheduler({ ...limits, prefixCaching: false }, 100);
    for (let i = 0; i < 2; i++) {
      const one = request(64);
      off.add(one);
      drain(off);
      expect(one.cachedTokens).toBe(0);
    }
  });

  test('what was used longest ago is evicted first, tails before heads', () => {
    const scheduler = new Scheduler(limits, 12);
    const prompt = (first: number): Int32Array => Int32Array.from({ length: 65 }, (_, i) => first + i);
    const run = (first: number): number => {
      const one = request(prompt(first), { maxTokens: 1 });
      scheduler.add(one);
      drain(scheduler);
      return one.cachedTokens;
    };
    run(1000); // 4 full blocks stay
    run(5000); // 4 more
    run(9000); // takes the rest and the tail of the first chain
    expect(run(5000)).toBe(64);
    expect(run(1000)).toBeLessThan(64);
  });
});

describe('scheduling', () => {
  test('a long prompt takes several steps within the token budget, others decode beside it', () => {
    const scheduler = new Scheduler(limits, 1000);
    const short = request(16, { maxTokens: 50 });
    scheduler.add(short);
    scheduler.complete(scheduler.schedule(), 1);
    const long = request(600);
    scheduler.add(long);
    const step = scheduler.schedule();
    expect(step).toMatchObject({ decodes: 1, prefillTokens: 255 });
    scheduler.complete(step, 2);
    expect(long.generated).toBe(0);
    expect(short.generated).toBe(2);
    drain(scheduler);
    expect([short.finish, long.finish]).toEqual(['length', 'length']);
  });

  test('no more than max-num-seqs run, the rest waits in order, or by priority', () => {
    const scheduler = new Scheduler({ ...limits, maxSequences: 2, policy: 'priority' }, 1000);
    const all = [3, 1, 2, 0].map((priority) => request(10, { priority }));
    for (const one of all) scheduler.add(one);
    scheduler.schedule();
    expect(scheduler.running.map(({ parameters }) => parameters.priority)).toEqual([0, 1]);
    expect(scheduler.waiting.map(({ parameters }) => parameters.priority)).toEqual([2, 3]);
  });

  test('when blocks run out the last one is pushed back, computed again, and nobody loses a token', () => {
    const scheduler = new Scheduler(limits, 10);
    const all = [0, 1].map((i) =>
      request(
        Int32Array.from({ length: 60 }, (_, k) => i * 1000 + k),
        { maxTokens: 60 },
      ),
    );
    for (const one of all) scheduler.add(one);
    let preemptions = 0;
    let steps = 0;
    while (scheduler.hasWork() && steps++ < 1000) {
      const step = scheduler.schedule();
      preemptions += step.preemptions;
      scheduler.complete(step, steps);
    }
    expect(preemptions).toBeGreaterThan(0);
    expect(all.map(({ generated, finish }) => [generated, finish])).toEqual([
      [60, 'length'],
      [60, 'length'],
    ]);
    expect(scheduler.pool.freeCount).toBe(10);
  });

  test('blocks are never lost or counted twice, whatever comes, goes or is aborted', () => {
    const arrivals = fc.array(
      fc.record({
        length: fc.integer({ min: 1, max: 120 }),
        abortAfter: fc.integer({ min: -20, max: 20 }),
        seed: fc.integer({ min: 0, max: 3 }),
      }),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(arrivals, (list) => {
        const scheduler = new Scheduler({ ...limits, maxSequences: 4, maxBatchedTokens: 64 }, 20);
        const live = list.map(({ length, abortAfter, seed }) => {
          const tokens = Int32Array.from({ length }, (_, i) => seed * 500 + i);
          const one = request(tokens, { maxTokens: 20 });
          scheduler.add(one);
          return { one, abortAfter };
        });
        for (let step = 0; scheduler.hasWork() && step < 5000; step++) {
          for (const { one, abortAfter } of live)
            if (abortAfter === step && one.finish === null) scheduler.remove(one);
          const held = new Set(scheduler.running.flatMap(({ blocks }) => blocks));
          expect(scheduler.pool.freeCount).toBe(20 - held.size);
          scheduler.complete(scheduler.schedule(), step);
        }
        expect(scheduler.pool.freeCount).toBe(20);
      }),
      { numRuns: 100 },
    );
  });
});

test('step times: 7,500 prompt tokens take half a second, 64 decodes about 14 ms', () => {
  const step = { work: [], admitted: [], preemptions: 0 };
  expect(stepMs({ ...step, prefillTokens: 7500, decodes: 0, contextTokens: 0 }, defaultStepCost)).toBeCloseTo(
    500,
  );
  expect(
    stepMs({ ...step, prefillTokens: 0, decodes: 64, contextTokens: 64_000 }, defaultStepCost),
  ).toBeCloseTo(13.58, 1);
});

test('a pool gives all its blocks once and then none', () => {
  const pool = new BlockPool(3);
  expect(new Set([pool.take(), pool.take(), pool.take()]).size).toBe(3);
  expect(pool.take()).toBe(-1);
  expect(pool.reset()).toBe(false);
});

test('equal beginnings give equal tokens', () => {
  expect(tokenizeText('equal beginnings').slice(0, 2)).toEqual(tokenizeText('equal beXX').slice(0, 2));
  expect(tokenizeText('abcd')).not.toEqual(tokenizeText('abc'));
});
