// Bad input, one list for both paths on the CPU and for the graph runner over the simulated driver: a typed error that names the argument,
// and nothing written. `native/kvquant/kv_test.cc` has the same list for the C ABI, under sanitizers.
import { afterAll, describe, expect, test } from 'vitest';
import { GraphRunner } from '../../src/native/graph-runner.js';
import { decodeRecords, encodeRecords, readRecord, type KvSection } from '../../src/native/kv-quantizer.js';
import { SimulatedCuda } from '../support/simulated-cuda.js';

const good: KvSection = {
  format: 'int8_head',
  dtype: 'bf16',
  layout: 'nhd',
  blockTokens: 4,
  heads: 2,
  dim: 32,
  blocks: 4,
  blocksPerRecord: 1,
};
const elements = 4 * 4 * 2 * 32;
const cache = (): Uint16Array => new Uint16Array(elements).fill(0x3f80);
const table = (): Int32Array => Int32Array.of(2, 0);
const recordsOf = (section: KvSection, blocks: Int32Array): Uint8Array =>
  encodeRecords(section, cache(), blocks, 'scalar').records;
const detached = <T extends Uint8Array | Uint16Array | Int32Array>(array: T): T => {
  const buffer = array.buffer as ArrayBuffer;
  structuredClone(buffer, { transfer: [buffer] });
  return array;
};

interface Call {
  section: KvSection;
  cache: Uint16Array;
  table: Int32Array;
  records: Uint8Array;
}
const goodCall = (): Call => ({
  section: good,
  cache: cache(),
  table: table(),
  records: recordsOf(good, table()),
});

/** What is wrong, what the message begins with, the wrong part of an otherwise good call. */
const sections: [string, RegExp, Partial<KvSection>][] = [
  ['an unknown format', /^format: /, { format: 'int9_head' }],
  ['a type of its own', /^dtype: /, { dtype: 'f32' as KvSection['dtype'] }],
  ['a layout of its own', /^layout: /, { layout: 'dhn' as KvSection['layout'] }],
  ['no tokens', /^blockTokens: /, { blockTokens: 0 }],
  ['half a head', /^heads: /, { heads: 1.5 }],
  ['dim below 0', /^dim: /, { dim: -32 }],
  ['no blocks', /^blocks: /, { blocks: 0 }],
  ['2^31 blocks', /^blocks: .*got 2147483648/, { blocks: 2 ** 31 }],
  ['no blocks in a record', /^blocksPerRecord: /, { blocksPerRecord: 0 }],
  ['a product that is too large', /^(shape|layout|cache): /, { blockTokens: 2 ** 20, heads: 2 ** 20 }],
  [
    'rotation over a dim that is no power of two',
    /^shape: .*power-of-two/,
    { format: 'int8_tok_r', dim: 24 },
  ],
];
const calls: [string, RegExp, () => Partial<Call>][] = [
  ['an entry outside the cache', /^table\[1\]: .*got 4/, () => ({ table: Int32Array.of(0, 4) })],
  ['an entry below 0', /^table\[0\]: .*got -1/, () => ({ table: Int32Array.of(-1, 0) })],
  ['a table of another type', /^table: /, () => ({ table: [0, 1] as unknown as Int32Array })],
  ['a part of a record', /^table: /, () => ({ section: { ...good, blocksPerRecord: 3 } })],
  ['a short cache', /^cache: .*1023/, () => ({ cache: new Uint16Array(elements - 1) })],
  [
    'a cache of another type',
    /^cache: /,
    () => ({ cache: new Uint8Array(2 * elements) as unknown as Uint16Array }),
  ],
  ['a detached cache', /^cache: .*detached/, () => ({ cache: detached(cache()) })],
];
const records: [string, string, RegExp, () => Partial<Call>][] = [
  ['too short', 'argument-invalid', /^buffer: /, () => ({ records: new Uint8Array(100) })],
  ['detached', 'argument-invalid', /^buffer: /, () => ({ records: detached(goodCall().records) })],
  ['a block named twice', 'argument-invalid', /^table\[1\]: block 2/, () => ({ table: Int32Array.of(2, 2) })],
  ['of another format', 'record-corrupt', /record/, () => ({ section: { ...good, format: 'e4m3_head' } })],
  ['with a wrong bit', 'record-corrupt', /checksum/, () => {
    const { records } = goodCall();
    records[80]! ^= 1;
    return { records };
  }],
]; // prettier-ignore

const invalid = (code: string, message: RegExp): unknown =>
  expect.objectContaining({ code, message: expect.stringMatching(message) as string });
const thrown = (call: () => unknown): unknown => {
  try {
    call();
  } catch (error) {
    return error;
  }
  return 'nothing was thrown';
};

describe.each(['scalar', 'simd'] as const)('%s', (path) => {
  const encode = (c: Call): unknown => encodeRecords(c.section, c.cache, c.table, path);
  const decode = (c: Call): unknown => decodeRecords(c.section, c.records, c.table, c.cache, path);

  test.each(sections)('%s', (_, message, changes) => {
    const call = { ...goodCall(), section: { ...good, ...changes } };
    expect(thrown(() => encode(call))).toEqual(invalid('argument-invalid', message));
    expect(thrown(() => decode(call))).toEqual(invalid('argument-invalid', message));
  });

  test.each(calls)('%s', (_, message, changes) => {
    expect(thrown(() => encode({ ...goodCall(), ...changes() }))).toEqual(
      invalid('argument-invalid', message),
    );
    expect(thrown(() => decode({ ...goodCall(), ...changes() }))).toEqual(
      invalid('argument-invalid', message),
    );
  });

  test.each(records)('records %s', (_, code, message, changes) => {
    expect(thrown(() => decode({ ...goodCall(), ...changes() }))).toEqual(invalid(code, message));
  });

  test('odd dims and tails that are not whole vectors are no bad input', () => {
    for (const [dim, format] of [[5, 'int4a_tok'], [7, 'int8_g4'], [1, 'int4s_head']] as const) {
      const section = { ...good, dim, format };
      const encoded = recordsOf(section, table());
      const { records } = encodeRecords(section, cache(), table(), path);
      expect(Buffer.compare(records, encoded)).toBe(0);
    }
  }); // prettier-ignore

  test('no records are no work', () => {
    expect(encodeRecords(good, new Uint16Array(0), new Int32Array(0), path).records.length).toBe(0);
  });
});

test('any bytes at all are no record', () => {
  for (const bytes of [new Uint8Array(0), new Uint8Array(63), new Uint8Array(4096).fill(0xff)])
    expect(thrown(() => readRecord(bytes))).toEqual(invalid('record-corrupt', /record/));
});

describe('graph runner', () => {
  const cuda = new SimulatedCuda();
  process.env['INFERNODE_CUDA_SIM'] = cuda.scenarioPath;
  afterAll(() => {
    delete process.env['INFERNODE_CUDA_SIM'];
    cuda.remove();
  });
  const open = (direction: 'encode' | 'decode', section: KvSection): Promise<GraphRunner> =>
    GraphRunner.open({ library: cuda.library, device: 0, direction, sections: [section], counts: [2] });

  test.each(sections)('%s', async (_, __, changes) => {
    const opening = open('encode', { ...good, ...changes });
    // Sizes by their names; what belongs together (formats, products) by the library's sentence.
    const [field = ''] = Object.keys(changes);
    const named = /^(blockTokens|heads|dim|blocks|blocksPerRecord)$/.test(field) && !('format' in changes);
    await expect(opening).rejects.toEqual(
      invalid(
        'argument-invalid',
        named && Object.keys(changes).length === 1 ? new RegExp(`^${field}: `) : /expected/,
      ),
    );
  });

  test.each(records)('records %s', async (_, code, __, changes) => {
    const call = { ...goodCall(), ...changes() };
    const runner = await open('decode', call.section);
    await runner.capture();
    await expect(runner.run(call.table, call.records)).rejects.toMatchObject({ code });
    await runner.close();
  });
});
