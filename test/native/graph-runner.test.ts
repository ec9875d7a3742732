// The graph runner from TypeScript over the simulated driver: the bits of the scalar path, padding to captured counts, eager runs
// beyond, caches that move, errors of the driver, and misuse. What is simulated here says nothing about a GPU's speed.
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GraphRunner, maxPendingRuns, type GraphRunnerOptions } from '../../src/native/graph-runner.js';
import { encodeRecords, type KvSection } from '../../src/native/kv-quantizer.js';
import { CudaError, DriverUnavailableError, NativeClosedError } from '../../src/native/native-errors.js';
import { SimulatedCuda } from '../support/simulated-cuda.js';

const blocks = 24;
const sectionOf = (format: string, changes: Partial<KvSection> = {}): KvSection => ({
  format,
  dtype: 'bf16',
  layout: 'nhd',
  blockTokens: 16,
  heads: 2,
  dim: 64,
  blocks,
  blocksPerRecord: 1,
  ...changes,
});
const sections = [sectionOf('int8_head'), sectionOf('int4a_g64'), sectionOf('e4m3_tok')];
const elements = blocks * 16 * 2 * 64;

/** Seeded bf16 values around 1, of both signs. */
function cacheOf(seed: number, length = elements): Uint16Array {
  let state = seed * 2654435761 + 1;
  return Uint16Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 0x3e00 + ((state >>> 8) % 0x200) + ((state >>> 3) & 1) * 0x8000;
  });
}
const caches = sections.map((_, i) => cacheOf(i + 1));

const cuda = new SimulatedCuda();
// The driver reads the variable when it is first called in this process.
process.env['INFERNODE_CUDA_SIM'] = cuda.scenarioPath;
afterAll(() => {
  delete process.env['INFERNODE_CUDA_SIM'];
  cuda.remove();
});

/** Sticky errors end a device for this process: tests that cause one take a device of their own. */
const scenario = (...lines: string[]): void => cuda.scenario('devices 4', ...lines);
const open: GraphRunner[] = [];
beforeEach(() => scenario());
afterEach(async () => {
  scenario();
  await Promise.all(open.splice(0).map((runner) => runner.close()));
});

async function runnerOf(changes: Partial<GraphRunnerOptions> = {}): Promise<GraphRunner> {
  const options = { library: cuda.library, device: 0, direction: 'encode', sections, ...changes } as const;
  const runner = await GraphRunner.open(options);
  open.push(runner);
  return runner;
}

async function filled(changes: Partial<GraphRunnerOptions> = {}): Promise<GraphRunner> {
  const runner = await runnerOf(changes);
  for (const [i, values] of caches.entries()) await runner.writeCache(i, values);
  return runner;
}

const tableOf = (count: number): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => (i * 7 + 3) % blocks);
const scalarRecords = (table: Int32Array): Uint8Array =>
  Buffer.concat(sections.map((section, i) => encodeRecords(section, caches[i]!, table, 'scalar').records));

describe('encode', () => {
  test.each([
    [1, 1],
    [2, 2],
    [3, 4],
    [5, 8],
    [8, 8],
    [11, 0],
    [24, 0],
  ])('%d records run by the graph of %d (0: eager) and equal the scalar path', async (count, captured) => {
    const runner = await filled({ counts: [1, 2, 4, 8], capacity: 24 });
    await runner.capture();
    const records = new Uint8Array(runner.recordBytes(count));
    expect(await runner.run(tableOf(count), records)).toEqual({ captured, nonfinite: 0 });
    expect(Buffer.compare(records, scalarRecords(tableOf(count)))).toBe(0);
  });

  test('without a capture everything is eager, and equal', async () => {
    const runner = await filled();
    const records = new Uint8Array(runner.recordBytes(4));
    expect((await runner.run(tableOf(4), records)).captured).toBe(0);
    expect(Buffer.compare(records, scalarRecords(tableOf(4)))).toBe(0);
  });

  test('no records are no work', async () => {
    const runner = await filled();
    await runner.capture();
    await runner.run(new Int32Array(0), new Uint8Array(0));
    expect(await runner.stats()).toMatchObject({ replays: 0, eagerRuns: 0 });
  });

  test('channels over 8 blocks of 16 tokens', async () => {
    const section = sectionOf('int8_chan', { blocksPerRecord: 8 });
    const runner = await runnerOf({ sections: [section], counts: [1, 2], capacity: 2 });
    await runner.writeCache(0, caches[0]!);
    await runner.capture();
    const table = tableOf(8);
    const records = new Uint8Array(runner.recordBytes(1));
    await runner.run(table, records);
    const expected = encodeRecords(section, caches[0]!, table, 'scalar').records;
    expect(Buffer.compare(records, expected)).toBe(0);
  });

  test('values that are not finite are counted', async () => {
    const runner = await filled();
    await runner.capture();
    const spoiled = Uint16Array.from(caches[0]!);
    spoiled[3 * 16 * 2 * 64] = 0x7fc0;
    await runner.writeCache(0, spoiled);
    const records = new Uint8Array(runner.recordBytes(1));
    expect((await runner.run(tableOf(1), records)).nonfinite).toBe(1);
  });
});

describe('decode', () => {
  test('what was encoded comes back, and no other block is touched', async () => {
    const table = tableOf(3);
    const runner = await runnerOf({ direction: 'decode', counts: [4] });
    await runner.capture();
    expect(await runner.run(table, scalarRecords(table))).toEqual({ captured: 4, nonfinite: 0 });
    const decoded = new Uint16Array(elements);
    await runner.readCache(0, decoded);
    const again = encodeRecords(sections[0]!, decoded, table, 'scalar').records;
    expect(Buffer.compare(again, encodeRecords(sections[0]!, caches[0]!, table, 'scalar').records)).toBe(0);
    const block = 16 * 2 * 64;
    const untouched = [...Array(blocks).keys()].filter((b) => !table.includes(b));
    expect(untouched.every((b) => decoded.subarray(b * block, (b + 1) * block).every((v) => v === 0))).toBe(
      true,
    );
  });

  test('a record whose bytes changed is refused by number', async () => {
    const runner = await runnerOf({ direction: 'decode' });
    await runner.capture();
    const records = scalarRecords(tableOf(2));
    records[100]! ^= 1;
    await expect(runner.run(tableOf(2), records)).rejects.toMatchObject({
      code: 'record-corrupt',
      message: expect.stringContaining('record 0') as string,
    });
  });
});

test('caches may move: the graphs follow', async () => {
  const runner = await filled({ counts: [4] });
  await runner.capture();
  await runner.moveCaches();
  const records = new Uint8Array(runner.recordBytes(4));
  await runner.run(tableOf(4), records);
  expect(Buffer.compare(records, scalarRecords(tableOf(4)))).toBe(0);
  expect(await runner.stats()).toMatchObject({ binds: 2, captures: 1, replays: 1 });
});

test('stats account for runs, padding and memory', async () => {
  const runner = await filled({ counts: [2, 4], capacity: 8 });
  await runner.capture();
  for (const count of [1, 3, 8]) await runner.run(tableOf(count), new Uint8Array(runner.recordBytes(count)));
  const stats = await runner.stats();
  expect(stats).toMatchObject({ captures: 2, replays: 2, eagerRuns: 1, records: 12, paddedRecords: 2 });
  // The simulated driver takes 64 KiB for a graph.
  expect(stats.graphBytes).toBe(2 * 65536);
  expect(stats.deviceBytes).toBeGreaterThanOrEqual(runner.recordBytes(8));
});

describe('misuse', () => {
  const invalid = (about: string): unknown =>
    expect.objectContaining({ code: 'argument-invalid', message: expect.stringContaining(about) as string });

  test.each<[string, string, Partial<GraphRunnerOptions>]>([
    ['no sections', 'sections', { sections: [] }],
    ['other geometry', 'sections[1]', { sections: [sections[0]!, sectionOf('int8_head', { heads: 4 })] }],
    ['an unknown format', 'format', { sections: [sectionOf('int9_head')] }],
    ['counts out of order', 'counts', { counts: [4, 2] }],
    ['no counts', 'counts', { counts: [] }],
    ['a count of 0', 'counts[0]', { counts: [0] }],
    ['too little capacity', 'capacity', { counts: [64], capacity: 8 }],
    ['2^31 of capacity', 'capacity', { capacity: 2 ** 31 }],
    ['half a device', 'device', { device: 0.5 }],
    ['a third direction', 'direction: expected encode or decode', { direction: 'up' as 'encode' }],
    ['a driver without a name', 'library', { library: undefined }],
    ['sections that are no list', 'sections: expected an array', { sections: {} as unknown as [] }],
    ['a section that is none', 'sections[1]', { sections: [sections[0]!, null as unknown as KvSection] }],
    ['counts that are no list', 'counts: expected an array', { counts: 5 as unknown as number[] }],
    ['a layout of its own', 'layout', { sections: [sectionOf('int8_head', { layout: 'x' as 'nhd' })] }],
    ['thread blocks below 0', 'threadBlocks', { threadBlocks: -1 }],
  ])('%s', async (_, about, changes) => {
    await expect(runnerOf(changes)).rejects.toEqual(invalid(about));
  });

  test('tables and buffers', async () => {
    const runner = await filled({ capacity: 64 });
    const bytes = runner.recordBytes(2);
    const run = (table: Int32Array, records: Uint8Array): Promise<unknown> => runner.run(table, records);
    await expect(run(Int32Array.of(0, blocks), new Uint8Array(bytes))).rejects.toEqual(invalid('table[1]'));
    await expect(run(Int32Array.of(-1, 0), new Uint8Array(bytes))).rejects.toEqual(invalid('table[0]'));
    await expect(run(tableOf(65), new Uint8Array(1))).rejects.toEqual(invalid('table'));
    await expect(run(tableOf(2), new Uint8Array(bytes - 1))).rejects.toEqual(invalid('records'));
    await expect(runner.writeCache(3, caches[0]!)).rejects.toEqual(invalid('section'));
    await expect(runner.writeCache(0, new Uint16Array(8))).rejects.toEqual(invalid('values'));
    await expect(run(tableOf(2), undefined as unknown as Uint8Array)).rejects.toEqual(invalid('records'));
    expect(() => runner.recordBytes(-1)).toThrow(/^records: expected 0 to 65536, got -1/);
    expect(() => runner.recordBytes(2 ** 31)).toThrow(/^records: /);
    await expect(run([0] as unknown as Int32Array, new Uint8Array(bytes))).rejects.toEqual(invalid('table'));
  });

  test('a page that is decoded into twice', async () => {
    const runner = await runnerOf({ direction: 'decode' });
    const records = new Uint8Array(runner.recordBytes(2));
    await expect(runner.run(Int32Array.of(5, 5), records)).rejects.toEqual(invalid('table[1]'));
  });

  test('detached buffers, before and during a run', async () => {
    const runner = await filled();
    const detached = new Uint8Array(runner.recordBytes(1));
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    await expect(runner.run(tableOf(1), detached)).rejects.toEqual(invalid('detached'));
    const later = new Uint8Array(runner.recordBytes(1));
    const running = runner.run(tableOf(1), later);
    structuredClone(later.buffer, { transfer: [later.buffer] });
    await expect(running).rejects.toEqual(invalid('detached'));
  });

  test('two runs on one buffer, and more runs than may wait', async () => {
    const runner = await filled();
    const records = new Uint8Array(runner.recordBytes(1));
    const first = runner.run(tableOf(1), records);
    await expect(runner.run(tableOf(1), records)).rejects.toEqual(invalid('another run'));
    await first;
    const many = Array.from({ length: maxPendingRuns + 1 }, () =>
      runner.run(tableOf(1), new Uint8Array(runner.recordBytes(1))),
    );
    await expect(many.at(-1)).rejects.toMatchObject({ code: 'queue-full' });
    await Promise.all(many.slice(0, -1));
    await runner.run(tableOf(1), records);
  });

  test('use after close, and closing twice', async () => {
    const runner = await filled();
    await Promise.all([runner.close(), runner.close()]);
    const records = new Uint8Array(runner.recordBytes(1));
    await expect(runner.run(tableOf(1), records)).rejects.toThrow(NativeClosedError);
    await expect(runner.capture()).rejects.toThrow(NativeClosedError);
    await expect(runner.stats()).rejects.toThrow(NativeClosedError);
  });
});

describe('the driver', () => {
  test('absent', async () => {
    await expect(runnerOf({ library: '/nowhere/libcuda.so.1' })).rejects.toThrow(DriverUnavailableError);
    await expect(runnerOf({ library: '/nowhere/libcuda.so.1' })).rejects.toThrow(/^library-absent/);
  });

  test('too old', async () => {
    scenario('driver 11020');
    await expect(runnerOf()).rejects.toThrow(/driver-too-old.*driver 470 or newer/);
  });

  test('out of memory names the call, and passes', async () => {
    scenario('fail cuMemAlloc_v2 CUDA_ERROR_OUT_OF_MEMORY');
    await expect(runnerOf()).rejects.toMatchObject({
      code: 'CUDA_ERROR_OUT_OF_MEMORY',
      call: 'cuMemAlloc_v2',
    });
    scenario();
    await runnerOf();
  });

  test('an illegal address is sticky', async () => {
    const runner = await filled({ device: 1 });
    await runner.capture();
    scenario('fail launch:infernode_kv_encode_bf16 CUDA_ERROR_ILLEGAL_ADDRESS device 1');
    const records = new Uint8Array(runner.recordBytes(1));
    await expect(runner.run(tableOf(1), records)).rejects.toThrow(CudaError);
    scenario();
    await expect(runner.run(tableOf(1), records)).rejects.toMatchObject({
      code: 'CUDA_ERROR_ILLEGAL_ADDRESS',
    });
  });

  test('a run that hangs leaves the JS thread free', async () => {
    const runner = await filled();
    await runner.capture();
    scenario('hang launch:infernode_kv_encode_bf16');
    const records = new Uint8Array(runner.recordBytes(2));
    let over = false;
    const running = runner.run(tableOf(2), records).finally(() => (over = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(over).toBe(false);
    scenario();
    await running;
    expect(Buffer.compare(records, scalarRecords(tableOf(2)))).toBe(0);
  });
});
