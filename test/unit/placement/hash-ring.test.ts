// Shows the three promises of the ring: same map for every order of joining, a leaver moves only its own keys, a joiner
// takes little more than its share.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HashRing } from '../../../src/placement/hash-ring.js';

const keys = Array.from({ length: 4000 }, (_, i) => (i * 2_654_435_761) % 2 ** 53);

function ringOf(names: readonly string[]): HashRing {
  const ring = new HashRing(256);
  for (const name of names) ring.add(name);
  return ring;
}

function homeOf(ring: HashRing, key: number): string | null {
  const start = ring.startOf(key);
  return start === null ? null : ring.names[ring.ownerAt(start)]!;
}

const nameSets = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 2, maxLength: 12 });

describe('hash ring', () => {
  it('is the same for every order of joining and leaving', () => {
    fc.assert(
      fc.property(nameSets, fc.infiniteStream(fc.nat()), (names, order) => {
        const shuffled = names
          .map((name) => ({ name, at: order.next().value as number }))
          .sort((a, b) => a.at - b.at)
          .map(({ name }) => name);
        const detour = ringOf([...shuffled, 'passes by']);
        detour.remove('passes by');
        const homes = keys.slice(0, 200).map((key) => homeOf(ringOf(names), key));
        expect(keys.slice(0, 200).map((key) => homeOf(ringOf(shuffled), key))).toEqual(homes);
        expect(keys.slice(0, 200).map((key) => homeOf(detour, key))).toEqual(homes);
      }),
      { numRuns: 15 },
    );
  });

  it('moves only the keys of the one that leaves', () => {
    fc.assert(
      fc.property(nameSets, (names) => {
        const ring = ringOf(names);
        const before = keys.map((key) => homeOf(ring, key));
        ring.remove(names[0]!);
        keys.forEach((key, i) => {
          if (before[i] !== names[0]) expect(homeOf(ring, key)).toBe(before[i]);
          else expect(homeOf(ring, key)).not.toBe(names[0]);
        });
      }),
      { numRuns: 20 },
    );
  });

  it.each([1, 2, 3, 4, 7, 8, 15, 16, 31, 63])(
    'gives a joiner to %i others at most 1.3/(N+1) of the keys',
    (count) => {
      const many = Array.from({ length: 40_000 }, (_, i) => (i * 11_400_714_819) % 2 ** 53);
      for (const joiner of ['node-a/engine-0', 'x', 'gpu-99/chat-0']) {
        const ring = ringOf(Array.from({ length: count }, (_, i) => `gpu-${i}/chat-0`));
        const before = many.map((key) => homeOf(ring, key));
        ring.add(joiner);
        let moved = 0;
        many.forEach((key, i) => {
          const home = homeOf(ring, key);
          if (home === before[i]) return;
          expect(home).toBe(joiner);
          moved += 1;
        });
        expect(moved / many.length).toBeLessThanOrEqual(1.3 / (count + 1));
        expect(moved).toBeGreaterThan(0);
      }
    },
  );

  it('keeps names apart that differ only in where a number begins', () => {
    const ring = ringOf(['a1', 'a11', 'a', '1']);
    const homes = new Set(keys.map((key) => homeOf(ring, key)));
    expect(homes.size).toBe(4);
  });

  it('has no home when empty', () => {
    const ring = ringOf(['only']);
    ring.remove('only');
    expect(homeOf(ring, 7)).toBeNull();
    expect(ring.points).toBe(0);
  });
});
