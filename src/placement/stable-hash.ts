/**
 * Two small 32-bit mixers. They are not for secrecy (block keys arrive already hashed with the cluster's seed) but
 * must never change: two coordinators of different versions have to agree where a key lives.
 */

/** Finaliser with full avalanche: every input bit changes every output bit with probability near 1/2. */
export function mix32(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

const twoTo32 = 2 ** 32;

/** Hash of an integer below 2^53, as 0..2^32-1. */
export function hashInteger(value: number): number {
  const high = Math.floor(value / twoTo32);
  return mix32((value | 0) ^ Math.imul(mix32(high ^ 0x9e3779b9), 0x85ebca6b));
}

/** Hash of a text and a number; the length takes part, so that ('a1', 1) and ('a', 11) are different names. */
export function hashName(text: string, salt: number): number {
  let h = mix32(text.length ^ 0x51ed270b);
  for (let i = 0; i < text.length; i += 1) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) ^ (h >>> 13);
  return mix32(mix32(h) ^ Math.imul(salt + 1, 0x9e3779b1));
}

/** Hash of a text as an integer below 2^53. */
export function hashText(text: string): number {
  return (hashName(text, 1) & 0x1fffff) * twoTo32 + hashName(text, 2);
}
