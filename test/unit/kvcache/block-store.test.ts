// The block store: a budget that is never exceeded, the two orders of eviction, refusals, and bytes that changed in memory.
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import {
  chargeOf,
  entryOverheadBytes,
  KvBlockStore,
  type KvStoreEvent,
} from '../../../src/kvcache/block-store.js';
import { evictionPolicies } from '../../../src/kvcache/eviction.js';
import { KvcacheMetrics } from '../../../src/kvcache/kvcache-metrics.js';
import { encodeRecords } from '../../../src/native/kv-quantizer.js';
import { cacheOf, recordOf, section } from './kv-block-fixture.js';

const charge = chargeOf(1152);
const storeOf = (
  entries: number,
  eviction: 'lru' | 'importance-lru' = 'lru',
  events: KvStoreEvent[] = [],
): KvBlockStore =>
  new KvBlockStore({ budgetBytes: entries * charge, eviction, onChange: (event) => events.push(event) });

test('what goes in comes out, as a copy', () => {
  const store = storeOf(4);
  const records = recordOf();
  expect(store.put('a', records)).toBe('stored');
  const original = Uint8Array.from(records);
  records.fill(0);
  expect(store.get('a')).toEqual(original);
  expect(store.get('b')).toBeUndefined();
  expect(store.stats).toEqual({ entries: 1, budgetBytes: 4 * charge, usedBytes: charge, recordBytes: 1152 });
});

test('a run that spans pages comes back whole', () => {
  const store = new KvBlockStore({ budgetBytes: 1 << 20, eviction: 'lru' });
  const run = Buffer.concat([
    recordOf(1),
    recordOf(2, { format: 'raw' }),
    recordOf(3, { format: 'int8_chan' }),
    recordOf(4, { format: 'raw' }),
  ]);
  expect(run.length).toBeGreaterThan(4096);
  store.put('a', run);
  expect(Buffer.from(store.get('a')!).equals(run)).toBe(true);
});

test('lru: what was used least recently leaves first', () => {
  const events: KvStoreEvent[] = [];
  const store = storeOf(3, 'lru', events);
  for (const key of ['a', 'b', 'c']) store.put(key, recordOf());
  store.get('a');
  store.put('d', recordOf());
  expect(['a', 'b', 'c', 'd'].filter((key) => store.has(key))).toEqual(['a', 'c', 'd']);
  expect(events.filter(({ kind }) => kind === 'evicted')).toHaveLength(1);
});

test('importance-lru: the least important leaves first, of equals the least recently used', () => {
  const store = storeOf(3, 'importance-lru');
  store.put('old', recordOf(), 0.2);
  store.put('new', recordOf(), 0.2);
  store.put('dear', recordOf(), 0.9);
  store.get('old');
  store.put('x', recordOf(), 0.5);
  expect(['old', 'new', 'dear', 'x'].filter((key) => store.has(key))).toEqual(['old', 'dear', 'x']);
  store.put('y', recordOf(), 0.5);
  expect(['old', 'dear', 'x', 'y'].filter((key) => store.has(key))).toEqual(['dear', 'x', 'y']);
});

describe.each(evictionPolicies)('%s', (eviction) => {
  test('over any history the budget holds, and a store agrees with an obvious model', () => {
    const sizes = [1, 2, 5].map((blocksPerRecord) =>
      recordOf(7, { blocksPerRecord, blocks: 5, format: 'raw' }),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: chargeOf(1), max: 12 * charge }),
        fc.array(
          fc.record({
            op: fc.constantFrom('put', 'put', 'get', 'delete'),
            key: fc.nat(9),
            size: fc.nat(2),
            rank: fc.nat(3),
          }),
          { maxLength: 80 },
        ),
        (budgetBytes, history) => {
          const store = new KvBlockStore({ budgetBytes, eviction });
          const model = new Map<string, { size: number; rank: number }>(); // in order of use
          const used = (): number =>
            [...model.values()].reduce((sum, { size }) => sum + chargeOf(sizes[size]!.length), 0);
          const leaver = (): string =>
            [...model].reduce((worst, next) =>
              eviction === 'importance-lru' && next[1].rank < worst[1].rank ? next : worst,
            )[0];
          for (const { op, key: number, size, rank } of history) {
            const key = `k${number}`;
            const known = model.get(key);
            if (op === 'put') {
              const outcome = store.put(key, sizes[size]!, rank / 3);
              const fits = chargeOf(sizes[size]!.length) <= budgetBytes;
              expect(outcome).toBe(!fits ? 'refused-too-large' : known ? 'replaced' : 'stored');
              if (fits) {
                model.delete(key);
                while (used() + chargeOf(sizes[size]!.length) > budgetBytes) model.delete(leaver());
                model.set(key, { size, rank });
              }
            } else if (op === 'get') {
              expect(store.get(key)?.length).toBe(known && sizes[known.size]!.length);
              if (known) {
                model.delete(key);
                model.set(key, known);
              }
            } else {
              expect(store.delete(key)).toBe(model.delete(key));
            }
            expect(store.stats.usedBytes).toBe(used());
            expect(store.stats.usedBytes).toBeLessThanOrEqual(budgetBytes);
          }
          for (let key = 0; key < 10; key += 1) expect(store.has(`k${key}`)).toBe(model.has(`k${key}`));
        },
      ),
      { numRuns: 60 },
    );
  });
});

test('a block with a value that is not finite is refused', () => {
  const spec = section();
  const cache = cacheOf(spec);
  cache[0] = 0x7fc0;
  const store = storeOf(2);
  expect(store.put('a', encodeRecords(spec, cache, Int32Array.of(0)).records)).toBe('refused-nonfinite');
  expect(store.has('a')).toBe(false);
});

test('a byte that changed in memory: the entry is dropped and the caller is told', () => {
  const events: KvStoreEvent[] = [];
  const store = storeOf(2, 'lru', events);
  store.put('a', recordOf());
  store.pageForTest('a')[700]! ^= 4;
  expect(() => store.get('a')).toThrow(expect.objectContaining({ code: 'record-corrupt' }));
  expect(store.get('a')).toBeUndefined();
  expect(events.slice(1).map((event) => 'outcome' in event && event.outcome)).toEqual(['corrupt', 'miss']);
  expect(store.stats.usedBytes).toBe(0);
});

test('arguments that cannot be are refused by name, and corrupt records on the way in', () => {
  expect(() => new KvBlockStore({ budgetBytes: 4096 + entryOverheadBytes - 1, eviction: 'lru' })).toThrow(
    /budgetBytes/,
  );
  const store = storeOf(2);
  expect(() => store.put('', recordOf())).toThrow(/key: expected/);
  expect(() => store.put('k'.repeat(129), recordOf())).toThrow(/key: expected/);
  expect(() => store.put('a', recordOf(), NaN)).toThrow(/importance: expected/);
  expect(() => store.put('a', new Uint8Array(64))).toThrow(
    expect.objectContaining({ code: 'record-corrupt' }),
  );
});

test('closed twice, then used: a typed error', () => {
  const store = storeOf(2);
  store.put('a', recordOf());
  store.close();
  store.close();
  expect(store.stats.usedBytes).toBe(0);
  expect(() => store.get('a')).toThrow(/closed/);
  expect(() => store.put('a', recordOf())).toThrow(/closed/);
});

test('metrics follow the events', async () => {
  const registry = new Registry();
  const metrics = new KvcacheMetrics(registry);
  const store = new KvBlockStore({
    budgetBytes: charge,
    eviction: 'lru',
    onChange: (event) => metrics.record(event),
  });
  store.put('a', recordOf());
  store.put('b', recordOf());
  store.get('b');
  store.get('a');
  metrics.observe(store.stats);
  const text = await registry.metrics();
  expect(text).toContain('infernode_kvcache_puts_total{outcome="stored"} 2');
  expect(text).toContain('infernode_kvcache_gets_total{outcome="miss"} 1');
  expect(text).toContain('infernode_kvcache_evicted_total 1');
  expect(text).toContain(`infernode_kvcache_used_bytes ${charge}`);
});
