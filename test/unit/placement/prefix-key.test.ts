// Shows that what everybody shares is skipped without configuration, and that counts stay bounded and decay.
import { describe, expect, it } from 'vitest';
import { defaultConstants } from '../../../src/placement/placement-constants.js';
import { PrefixKeyFinder } from '../../../src/placement/prefix-key.js';

function finder(members: number): PrefixKeyFinder {
  const keys = new PrefixKeyFinder(defaultConstants);
  keys.setMembers(members);
  return keys;
}

describe('prefix key', () => {
  it('skips a system prompt of three blocks', () => {
    const keys = finder(8);
    for (let i = 0; i < 500; i += 1) keys.count([1, 2, 3, 1000 + i, 5000 + i]);
    expect(keys.keyOf([1, 2, 3, 4, 5])).toEqual({ key: 4, index: 3 });
  });

  it('keeps a conversation at its first own block over its turns', () => {
    const keys = finder(8);
    for (let i = 0; i < 500; i += 1) keys.count([1, 1000 + i]);
    for (let turn = 0; turn < 5; turn += 1) {
      const chain = [1, 77, ...Array.from({ length: turn + 1 }, (_, i) => 100_000 + i)];
      expect(keys.keyOf(chain)).toEqual({ key: 77, index: 1 });
      keys.count(chain);
    }
  });

  it('takes the last block when all are shared, and the first when nothing was seen', () => {
    const keys = finder(8);
    expect(keys.keyOf([9, 8, 7])).toEqual({ key: 9, index: 0 });
    for (let i = 0; i < 50; i += 1) keys.count([9, 8, 7]);
    expect(keys.keyOf([9, 8, 7])).toEqual({ key: 7, index: 2 });
  });

  it('does not look deeper than 64 blocks', () => {
    const keys = finder(8);
    const shared = Array.from({ length: 100 }, (_, i) => i);
    for (let i = 0; i < 300; i += 1) keys.count(shared);
    expect(keys.keyOf(shared)).toEqual({ key: 99, index: 99 });
    expect(keys.size).toBe(64);
  });

  it('forgets what is no longer shared, and stays bounded', () => {
    const keys = finder(8);
    for (let i = 0; i < 1000; i += 1) keys.count([1, 2]);
    for (let i = 0; i < 30_000; i += 1) keys.count([10_000 + i, 90_000 + i]);
    expect(keys.keyOf([1, 2])).toEqual({ key: 1, index: 0 });
    expect(keys.size).toBeLessThan(6 * defaultConstants.shareWindowRequests);
  });

  it('changes the threshold with a doubling of the cluster, not with each member', () => {
    const keys = finder(8);
    // Block 2 has a share of 1/20: above 0.5/16, not above 0.5/8.
    for (let i = 0; i < 2000; i += 1) keys.count(i % 20 === 0 ? [1, 2, 3000 + i] : [1, 50_000 + i]);
    expect(keys.keyOf([1, 2, 3]).index).toBe(1);
    keys.setMembers(9);
    expect(keys.keyOf([1, 2, 3]).index).toBe(2);
    for (const members of [8, 7]) {
      keys.setMembers(members);
      expect(keys.keyOf([1, 2, 3]).index).toBe(2);
    }
    keys.setMembers(6);
    expect(keys.keyOf([1, 2, 3]).index).toBe(1);
  });
});
