// Which graphs to capture, from what was really run; and how they are given up step by step.
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { BatchSizes, batchSizesFile, readBatchSizes } from '../../../src/engine/batch-sizes.js';
import { CompileCaches } from '../../../src/engine/compile-caches.js';
import { isGraphFailure, ladderArgs, nextStep } from '../../../src/engine/graph-ladder.js';
import { captureSizes, captureSizesFor } from '../../../src/engine/plan/capture-sizes.js';
import { systemClock } from '../../../src/runtime/clock.js';

const directory = mkdtempSync(join(tmpdir(), 'infernode-graphs-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Counts by size: `{ 3: 10 }` is ten looks at three requests. */
function countsOf(seen: Record<number, number>): number[] {
  const counts = new Array<number>(513).fill(0);
  for (const [size, count] of Object.entries(seen)) counts[Number(size)] = count;
  return counts;
}

function paddingOf(counts: readonly number[], sizes: readonly number[]): number {
  return counts.reduce((sum, count, batch) => {
    const size = sizes.find((one) => one >= batch);
    return sum + (batch === 0 || size === undefined ? 0 : count * (size - batch));
  }, 0);
}

describe('capture sizes from batch sizes really seen', () => {
  it('cover what was seen and nothing above', () => {
    expect(captureSizesFor(countsOf({ 1: 100, 3: 50, 17: 20 }), 51)).toEqual([1, 4, 24]);
    expect(captureSizesFor(countsOf({ 1: 100_000, 400: 1 }), 51)).toEqual([1]);
    expect(captureSizesFor(countsOf({}), 51)).toEqual([]);
  });

  it('pad no more than any other choice of as many sizes', () => {
    const counts = countsOf({ 1: 900, 2: 40, 5: 300, 9: 3, 12: 250, 30: 200, 31: 90, 60: 10 });
    const chosen = captureSizesFor(counts, 4);
    expect(chosen).toHaveLength(4);
    const grid = captureSizes(256, 8192).filter((size) => size <= 64);
    let best = Infinity;
    for (const a of grid)
      for (const b of grid)
        for (const c of grid)
          if (a < b && b < c && c < 64) best = Math.min(best, paddingOf(counts, [a, b, c, 64]));
    expect(paddingOf(counts, chosen)).toBe(best);
  });
});

describe('batch sizes', () => {
  it('are kept on disk, bounded, and start cold from a damaged file', async () => {
    const sizes = new BatchSizes(directory, 'boot', systemClock);
    for (const running of [0, 1, 1, 7, 9999, NaN]) sizes.note(running, null);
    await sizes.flush();
    expect(readBatchSizes(batchSizesFile(directory))).toEqual(countsOf({ 1: 2, 7: 1, 512: 1 }));
    expect(new BatchSizes(directory, 'boot', systemClock).looks).toBe(4);
    writeFileSync(batchSizesFile(directory), '{"schema":1,"bootId":"b","data":{"counts":[1]}}');
    expect(new BatchSizes(directory, 'boot', systemClock).looks).toBe(0);
  });

  it('are those of every step where the page has the iteration histogram', () => {
    const sizes = new BatchSizes(join(directory, 'none'), 'boot', systemClock);
    const page = (upTo1: number, upTo8: number, upTo512: number, upTo8192: number) =>
      [upTo1, upTo8, upTo512, upTo8192].map((steps, i) => ({ tokens: [1, 8, 512, 8192][i]!, steps }));
    const seen = () => Object.fromEntries([...sizes.counts.entries()].filter(([, count]) => count > 0));
    sizes.note(5, page(10, 20, 30, 40));
    // Nothing before the first page: those steps may be a week old.
    expect(seen()).toEqual({});
    // 10 steps of 1, 20 of 2 to 8, 10 of 9 to 512 tokens; 60 more are prefills that no graph is made for.
    sizes.note(5, page(20, 50, 70, 140));
    expect(seen()).toEqual({ 1: 0.25, 5: 0.5, 512: 0.25 });
    sizes.note(5, page(20, 50, 70, 200));
    sizes.note(5, page(0, 0, 1, 1));
    expect(sizes.looks).toBe(1);
    // No request runs any more: the upper limit of the bucket.
    sizes.note(0, page(0, 3, 4, 4));
    expect(seen()).toEqual({ 1: 0.25, 5: 0.5, 8: 1, 512: 0.25 });
  });

  it('of long ago weigh less', () => {
    const sizes = new BatchSizes(join(directory, 'none'), 'boot', systemClock);
    sizes.counts[1] = 262_144;
    sizes.note(2, null);
    sizes.note(2, null);
    expect(sizes.looks).toBeLessThan(140_000);
    expect(sizes.counts[2]).toBeGreaterThan(0);
  });
});

describe('the ladder', () => {
  const failed = (cause: string, phase: string) =>
    isGraphFailure({ cause: { class: cause, text: '' }, phase, part: '' } as Parameters<
      typeof isGraphFailure
    >[0]);

  it.each([
    ['out-of-memory', 'graphs', true],
    ['out-of-memory', 'serving', true],
    ['out-of-memory', 'profiling', true],
    ['out-of-memory', 'weights', false],
    ['cuda-error', 'graphs', true],
    ['cuda-error', 'serving', false],
    ['model-not-found', 'graphs', false],
    ['killed', 'graphs', false],
  ])('%s in phase %s: would fewer graphs have helped? %s', (cause, phase, helps) =>
    expect(failed(cause, phase)).toBe(helps),
  );

  it('goes down only, past what a version does not have', () => {
    expect([0, 1, 2, 3].map((step) => nextStep(step, '0.26.0'))).toEqual([1, 2, 3, 3]);
    expect(nextStep(1, '0.10.2')).toBe(3);
  });

  it('is fewer sizes, then fewer kinds beside what the template says, then eager', () => {
    const template = ['--compilation-config', '{"mode":3}'];
    expect(ladderArgs(0, template, [1, 2], '')).toEqual([]);
    expect(ladderArgs(1, template, [1, 2], '')).toEqual(['--cudagraph-capture-sizes', '1', '2']);
    const mode = (part: string): unknown => JSON.parse(ladderArgs(2, template, [1], part).at(-1)!);
    expect(mode('mixed prefill-decode, PIECEWISE')).toEqual({ mode: 3, cudagraph_mode: 'FULL_DECODE_ONLY' });
    expect(mode('decode, FULL')).toEqual({ mode: 3, cudagraph_mode: 'PIECEWISE' });
    expect(ladderArgs(3, template, [1], '')).toEqual(['--enforce-eager']);
  });
});

describe('compile caches', () => {
  const key = { model: 'm', version: '0.26.0', gpu: 'H100', flags: ['-tp', '2'] };

  it('are one per model, version, GPU and flags, and say whose they are', () => {
    const caches = new CompileCaches(directory);
    const first = caches.directory(key);
    expect(caches.directory({ ...key })).toBe(first);
    const others = [{ model: 'n' }, { version: '0.27.0' }, { gpu: 'H200' }, { flags: ['-tp', '4'] }];
    expect(new Set(others.map((other) => caches.directory({ ...key, ...other }))).size).toBe(4);
    expect(JSON.parse(readFileSync(join(first, 'about.json'), 'utf8'))).toEqual(key);
  });

  it('are cleared whole, and the longest unused goes first', () => {
    const caches = new CompileCaches(directory);
    const old = caches.directory({ ...key, model: 'old' });
    writeFileSync(join(old, 'artifact'), 'x');
    caches.clear(old);
    expect(readdirSync(old)).toEqual(['about.json']);
    utimesSync(old, new Date(0), new Date(0));
    for (let i = 0; i < 16; i++) caches.directory({ ...key, model: String(i) });
    expect(existsSync(old)).toBe(false);
    expect(readdirSync(join(directory, 'compile-cache'))).toHaveLength(16);
  });
});
