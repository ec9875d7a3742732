import { hashInteger } from './stable-hash.js';

/** Three, as first tried, loses sight of who holds a popular prefix: see the table in README.md. */
export const holdersPerBlock = 8;
export const noHolder = -1;

/**
 * Hash table from block to its holders, with their stamps. Open addressing over one buffer, no garbage. An entry is one
 * cache line of 64 bytes: with a few hundred thousand blocks every look-up misses the cache, and should do so once.
 *
 * bytes 0 to 7: the block + 1; 8 to 39: eight stamps; 40 to 55: eight holders + 1, newest first. So zero is empty, and a
 * table that is sized for full caches takes memory only as it fills.
 */
export class BlockTable {
  readonly size: number;
  readonly #mask: number;
  readonly #blocks: Float64Array;
  readonly #stamps: Uint32Array;
  readonly #holders: Int16Array;

  /** `size` is a power of two. */
  constructor(size: number) {
    const buffer = new ArrayBuffer(size * 64);
    this.size = size;
    this.#mask = size - 1;
    this.#blocks = new Float64Array(buffer);
    this.#stamps = new Uint32Array(buffer);
    this.#holders = new Int16Array(buffer);
  }

  /** Index of the block's entry, or of the empty place where it belongs. */
  find(block: number): number {
    let entry = hashInteger(block) & this.#mask;
    for (;;) {
      const found = this.#blocks[entry * 8]!;
      if (found === block + 1 || found === 0) return entry;
      entry = (entry + 1) & this.#mask;
    }
  }

  isEmpty(entry: number): boolean {
    return this.#blocks[entry * 8] === 0;
  }

  holder(entry: number, rank: number): number {
    return this.#holders[entry * 32 + 20 + rank]! - 1;
  }

  /** Rank of the slot among the holders, or the number of holders when it is none of them: they stand without gaps. */
  rankOf(entry: number, slot: number): number {
    const holders = entry * 32 + 20;
    let rank = 0;
    while (rank < holdersPerBlock) {
      const holder = this.#holders[holders + rank]!;
      if (holder === 0 || holder === slot + 1) break;
      rank += 1;
    }
    return rank;
  }

  stamp(entry: number, rank: number): number {
    return this.#stamps[entry * 16 + 2 + rank]!;
  }

  claim(entry: number, block: number): void {
    this.#blocks[entry * 8] = block + 1;
  }

  /** Puts a holder first; the one at `given` and the order of all before it make room. */
  pushHolder(entry: number, given: number, slot: number, stamp: number): void {
    const holders = entry * 32 + 20;
    const stamps = entry * 16 + 2;
    for (let rank = given; rank > 0; rank -= 1) {
      this.#holders[holders + rank] = this.#holders[holders + rank - 1]!;
      this.#stamps[stamps + rank] = this.#stamps[stamps + rank - 1]!;
    }
    this.#holders[holders] = slot + 1;
    this.#stamps[stamps] = stamp;
  }

  /** Removal by shifting back: no tombstones, so a probe ends at the first empty place. */
  remove(entry: number): void {
    let hole = entry;
    for (let next = (hole + 1) & this.#mask; !this.isEmpty(next); next = (next + 1) & this.#mask) {
      const ideal = hashInteger(this.#blocks[next * 8]! - 1) & this.#mask;
      if (((next - ideal) & this.#mask) < ((next - hole) & this.#mask)) continue;
      this.#blocks.copyWithin(hole * 8, next * 8, next * 8 + 8);
      hole = next;
    }
    this.#clear(hole);
  }

  /** The same entries in a table of another size. */
  resized(size: number): BlockTable {
    const other = new BlockTable(size);
    for (let entry = 0; entry < this.size; entry += 1) {
      if (this.isEmpty(entry)) continue;
      other.#blocks.set(
        this.#blocks.subarray(entry * 8, entry * 8 + 8),
        other.find(this.#blocks[entry * 8]! - 1) * 8,
      );
    }
    return other;
  }

  #clear(entry: number): void {
    this.#blocks.fill(0, entry * 8, entry * 8 + 8);
  }
}
