/** What the replay bench sends and how it counts: shared blocks are shared text at every scale; figures add up. */
import { expect, it } from 'vitest';

interface TraceRequest {
  chain: number[];
  tokens: number;
}
type Cache = Map<string, { queries: number; hits: number }>;

const load = async <T>(file: string): Promise<T> =>
  (await import(new URL(`../../../bench/replay/${file}`, import.meta.url).href)) as T;

const { promptText, reusableShare } = await load<{
  promptText: (request: TraceRequest, options: { lengthScale: number; seed: number }) => string;
  reusableShare: (requests: TraceRequest[]) => number;
}>('prompt-text.mjs');
const { cacheUse } = await load<{ cacheUse: (before: Cache, after: Cache) => Cache }>('engine-counters.mjs');
const { summarize } = await load<{ summarize: (run: object) => Record<string, unknown> }>('summarize.mjs');

it.each([1, 0.25])('equal block ids are equal text, at length scale %s', (lengthScale) => {
  const text = (chain: number[], tokens: number) => promptText({ chain, tokens }, { lengthScale, seed: 1 });
  const block = 2048 * lengthScale;
  const [one, other] = [text([0, 1, 2], 1300), text([0, 1, 9], 1536)];
  expect(one.length).toBe(Math.round(1300 * lengthScale) * 4);
  expect(one.slice(0, 2 * block)).toBe(other.slice(0, 2 * block));
  expect(one.slice(2 * block, 2 * block + 64)).not.toBe(other.slice(2 * block, 2 * block + 64));
  expect(text([0, 1, 2], 1300)).toBe(one);
});

it('what one endless cache would reuse is counted in tokens, up to the first block never seen', () => {
  const requests = [
    { chain: [0, 1], tokens: 1000 },
    { chain: [0, 1], tokens: 1000 },
    { chain: [0, 2, 1], tokens: 1500 },
  ];
  expect(reusableShare(requests)).toBeCloseTo((1000 + 512) / 3500);
});

it('counters of an engine that was restarted count from zero', () => {
  const before = new Map([
    ['a', { queries: 100, hits: 50 }],
    ['b', { queries: 100, hits: 50 }],
  ]);
  const after = new Map([
    ['a', { queries: 300, hits: 90 }],
    ['b', { queries: 40, hits: 10 }],
  ]);
  expect([...cacheUse(before, after)]).toEqual([
    ['a', { queries: 200, hits: 40 }],
    ['b', { queries: 40, hits: 10 }],
  ]);
});

it('summarises outcomes: errors by kind, imbalance over all engines, hit rate from the engines', () => {
  const good = { ok: true, error: null, attempts: 1, cachedTokens: null, completionTokens: 10 };
  const outcomes = [
    { ...good, endpoint: 'n/a', promptTokens: 300, ttftMs: 100, durationMs: 200 },
    { ...good, endpoint: 'n/a', promptTokens: 300, ttftMs: 300, durationMs: 500, attempts: 2 },
    { ...good, ok: false, error: '503 no-eligible-endpoint', endpoint: null, promptTokens: 9, ttftMs: null },
  ];
  const summary = summarize({
    outcomes,
    heldBack: 0,
    seconds: 2,
    cache: new Map([['n/a', { queries: 600, hits: 150 }]]),
    engines: [{ id: 'n/a' }, { id: 'n/b' }],
    reusable: 0.5,
  });
  expect(summary).toMatchObject({
    requests: 3,
    errors: 1,
    errorKinds: { '503 no-eligible-endpoint': 1 },
    rerouted: 1,
    tokenHitRate: 0.25,
    completionTokensPerSecond: 10,
    ttftSeconds: { p50: 0.1, p99: 0.3, mean: 0.2 },
    // Two requests at one of two engines: the largest share is twice the mean.
    imbalance: { requests: 2, promptTokens: 2 },
  });
});
