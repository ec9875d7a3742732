// A set whose members know their place holds the same as a `Set` after any additions and removals, and can be left while it
// is walked.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LiveSet, type LiveMember } from '../../../src/runtime/live-set.js';

const member = (): LiveMember => ({ place: -1 });

test('holds what a Set holds', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(7)), { maxLength: 60 }), (steps) => {
      const members = Array.from({ length: 8 }, member);
      const live = new LiveSet<LiveMember>();
      const plain = new Set<LiveMember>();
      for (const [adds, index] of steps) {
        const one = members[index] as LiveMember;
        if (adds) {
          live.add(one);
          plain.add(one);
        } else {
          live.delete(one);
          plain.delete(one);
        }
        expect(new Set(live)).toEqual(plain);
        expect(live.size).toBe(plain.size);
        for (const other of members) expect(other.place >= 0).toBe(plain.has(other));
      }
    }),
  );
});

test('members may leave, and others come, while it is walked', () => {
  const live = new LiveSet<LiveMember>();
  for (let i = 0; i < 5; i++) live.add(member());
  let seen = 0;
  for (const one of live) {
    seen += 1;
    live.delete(one);
    if (seen < 3) live.add(member());
  }
  expect(seen).toBe(5);
  expect(live.size).toBe(2);
});

test('a member of another set is not removed', () => {
  const [one, another] = [new LiveSet<LiveMember>(), new LiveSet<LiveMember>()];
  const theirs = member();
  another.add(theirs);
  one.add(member());
  one.delete(theirs);
  expect([one.size, another.size]).toEqual([1, 1]);
});
