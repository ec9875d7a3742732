// Shows when the memory holds and when it lapses, that it agrees with a slow obvious twin, and that it is bounded.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PrefixMemory } from '../../../src/placement/prefix-memory.js';

function depthsOf(memory: PrefixMemory, chain: readonly number[]): number[] {
  const depths = new Int32Array(memory.slotCount);
  memory.readDepths(chain, depths);
  return [...depths];
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

describe('prefix memory', () => {
  it('holds a chain until its endpoint has taken in more new blocks than its cache has', () => {
    const memory = new PrefixMemory(1 << 16);
    const slot = memory.addSlot(100);
    memory.record(slot, range(0, 10), 0);
    memory.record(slot, range(1000, 100), 0);
    expect(depthsOf(memory, range(0, 10))).toEqual([10]);
    memory.record(slot, [5000], 0);
    expect(depthsOf(memory, range(0, 10))).toEqual([0]);
  });

  it('is renewed by use', () => {
    const memory = new PrefixMemory(1 << 16);
    const slot = memory.addSlot(100);
    for (let turn = 0; turn < 10; turn += 1) {
      memory.record(slot, range(0, 10), turn === 0 ? 0 : 10);
      memory.record(slot, range(1000 + 100 * turn, 90), 0);
    }
    expect(depthsOf(memory, range(0, 10))).toEqual([10]);
  });

  it('knows the deepest block also where an earlier one was given to others', () => {
    const memory = new PrefixMemory(1 << 16);
    const slots = Array.from({ length: 12 }, () => memory.addSlot(1000));
    memory.record(slots[0]!, [1, 2, 3], 0);
    for (const slot of slots.slice(1)) memory.record(slot, [1, 100 + slot], 0);
    expect(depthsOf(memory, [1, 2, 3])[0]).toBe(3);
  });

  it('forgets an engine that restarted or left, also when its slot is used again', () => {
    const memory = new PrefixMemory(1 << 16);
    const [first, second] = [memory.addSlot(1e6), memory.addSlot(1e6)];
    memory.record(first, [1, 2], 0);
    memory.record(second, [1, 2], 0);
    memory.forget(first);
    expect(depthsOf(memory, [1, 2])).toEqual([0, 2]);
    memory.removeSlot(second);
    expect(memory.addSlot(1e6)).toBe(second);
    expect(depthsOf(memory, [1, 2])).toEqual([0, 0]);
    memory.record(second, [1, 2], 0);
    expect(depthsOf(memory, [1, 2])).toEqual([0, 2]);
  });

  it('stays bounded over many chains and counts what found no room', () => {
    const memory = new PrefixMemory(4096);
    const slot = memory.addSlot(1 << 20);
    for (let i = 0; i < 5000; i += 1) memory.record(slot, range(i * 10, 10), 0);
    expect(memory.size).toBeLessThanOrEqual(4096);
    expect(memory.dropped).toBeGreaterThan(0);
  });

  it('sweeps what has lapsed', () => {
    const memory = new PrefixMemory(1 << 20);
    const slot = memory.addSlot(500);
    for (let i = 0; i < 20_000; i += 1) memory.record(slot, range(i * 10, 10), 0);
    expect(memory.size).toBeLessThan(3000);
    expect(memory.dropped).toBe(0);
  });

  it('learns a capacity from what the engine reports, within bounds', () => {
    const memory = new PrefixMemory(1 << 16);
    const slot = memory.addSlot(1000);
    for (let i = 0; i < 100; i += 1) memory.learn(slot, 500, false);
    expect(memory.capacityOf(slot)).toBeCloseTo(500, 0);
    for (let i = 0; i < 100; i += 1) memory.learn(slot, 1, false);
    expect(memory.capacityOf(slot)).toBe(250);
    for (let i = 0; i < 200; i += 1) memory.learn(slot, 9000, true);
    expect(memory.capacityOf(slot)).toBe(2000);
  });

  it('agrees with a map of (block, endpoint) to stamp', () => {
    const step = fc.record({
      slot: fc.nat(3),
      start: fc.nat(30),
      length: fc.integer({ min: 1, max: 12 }),
      forget: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const memory = new PrefixMemory(1 << 12);
        const capacity = 40;
        const slots = range(0, 4).map(() => memory.addSlot(capacity));
        const clocks = slots.map(() => 0);
        const stamps = slots.map(() => new Map<number, number>());
        for (const { slot, start, length, forget } of steps) {
          if (forget && length === 1) {
            memory.forget(slot);
            stamps[slot]!.clear();
          }
          const chain = range(start * 5, length);
          const expected = slots.map((s) => {
            const held = (block: number): boolean => {
              const stamp = stamps[s]!.get(block);
              return stamp !== undefined && clocks[s]! - stamp <= capacity;
            };
            return chain.findLastIndex(held) + 1;
          });
          expect(depthsOf(memory, chain)).toEqual(expected);
          memory.record(slot, chain, expected[slot]!);
          clocks[slot]! += length - expected[slot]!;
          for (const block of chain) stamps[slot]!.set(block, clocks[slot]!);
        }
      }),
    );
  });
});
