import { hashInteger } from './stable-hash.js';

/** Three, as first tried, loses sight of who holds a popular prefix: see the table in README.md. */
export const holdersPerBlock = 8;

/**
 * Hash table from block to its holders, with their stamps. Open addressing over two buffers, no garbage. Most blocks are new
 * or have one holder, and with a few hundred thousand of them every look-up misses the caches: so what is asked of all
 * stands in 16 bytes, and the older holders, which most blocks do not have, stand apart.
 *
 * `front`, bytes 0 to 7: the block + 1; 8 to 11: stamp of the newest holder; 12 to 13: the holder; 14 to 15: how many there are.
 * `older`, bytes 0 to 27: seven stamps, newest first; 28 to 41: their holders. So zero is empty, and a table that is sized
 * for full caches takes memory only as it fills.
 */
export class BlockTable {
  readonly size: number;
  readonly #mask: number;
  readonly #blocks: Float64Array;
  readonly #stamps: Uint32Array;
  readonly #holders: Int16Array;
  readonly #olderStamps: Uint32Array;
  readonly #olderHolders: Int16Array;

  /** `size` is a power of two. */
  constructor(size: number) {
    const front = new ArrayBuffer(size * 16);
    const older = new ArrayBuffer(size * 48);
    this.size = size;
    this.#mask = size - 1;
    this.#blocks = new Float64Array(front);
    this.#stamps = new Uint32Array(front);
    this.#holders = new Int16Array(front);
    this.#olderStamps = new Uint32Array(older);
    this.#olderHolders = new Int16Array(older);
  }

  /** Index of the block's entry, or of the empty place where it belongs; `from` is where that was before others were claimed. */
  find(block: number, from = hashInteger(block) & this.#mask): number {
    let entry = from;
    for (;;) {
      const found = this.#blocks[entry * 2]!;
      if (found === block + 1 || found === 0) return entry;
      entry = (entry + 1) & this.#mask;
    }
  }

  isEmpty(entry: number): boolean {
    return this.#blocks[entry * 2] === 0;
  }

  /** How many hold the block; they stand in order of writing, newest first. */
  holders(entry: number): number {
    return this.#holders[entry * 8 + 7]!;
  }

  holder(entry: number, rank: number): number {
    return rank === 0 ? this.#holders[entry * 8 + 6]! : this.#olderHolders[entry * 24 + 13 + rank]!;
  }

  stamp(entry: number, rank: number): number {
    return rank === 0 ? this.#stamps[entry * 4 + 2]! : this.#olderStamps[entry * 12 + rank - 1]!;
  }

  /** Rank of the slot among the holders, or their number when it is none of them. */
  rankOf(entry: number, slot: number): number {
    const count = this.holders(entry);
    let rank = 0;
    while (rank < count && this.holder(entry, rank) !== slot) rank += 1;
    return rank;
  }

  claim(entry: number, block: number, slot: number, stamp: number): void {
    this.#blocks[entry * 2] = block + 1;
    this.#holders[entry * 8 + 7] = 1;
    this.#setNewest(entry, slot, stamp);
  }

  /** Puts a holder first; the one at `given` (the number of holders: none) and the order of all before it make room. */
  pushHolder(entry: number, given: number, slot: number, stamp: number): void {
    const holders = entry * 24 + 13;
    const stamps = entry * 12 - 1;
    for (let rank = given; rank > 1; rank -= 1) {
      this.#olderHolders[holders + rank] = this.#olderHolders[holders + rank - 1]!;
      this.#olderStamps[stamps + rank] = this.#olderStamps[stamps + rank - 1]!;
    }
    if (given > 0) {
      this.#olderHolders[holders + 1] = this.holder(entry, 0);
      this.#olderStamps[stamps + 1] = this.stamp(entry, 0);
    }
    if (given === this.holders(entry)) this.#holders[entry * 8 + 7] = given + 1;
    this.#setNewest(entry, slot, stamp);
  }

  /** Removal by shifting back: no tombstones, so a probe ends at the first empty place. */
  remove(entry: number): void {
    let hole = entry;
    for (let next = (hole + 1) & this.#mask; !this.isEmpty(next); next = (next + 1) & this.#mask) {
      const ideal = hashInteger(this.#blocks[next * 2]! - 1) & this.#mask;
      if (((next - ideal) & this.#mask) < ((next - hole) & this.#mask)) continue;
      this.#copy(this, next, hole);
      hole = next;
    }
    this.#blocks[hole * 2] = 0;
  }

  /** The same entries in a table of another size. */
  resized(size: number): BlockTable {
    const other = new BlockTable(size);
    for (let entry = 0; entry < this.size; entry += 1)
      if (!this.isEmpty(entry)) other.#copy(this, entry, other.find(this.#blocks[entry * 2]! - 1));
    return other;
  }

  #setNewest(entry: number, slot: number, stamp: number): void {
    this.#holders[entry * 8 + 6] = slot;
    this.#stamps[entry * 4 + 2] = stamp;
  }

  /** Takes over an entry; older holders are left out where there are none. */
  #copy(from: BlockTable, entry: number, to: number): void {
    this.#blocks[to * 2] = from.#blocks[entry * 2]!;
    this.#holders[to * 8 + 7] = from.holders(entry);
    this.#setNewest(to, from.holder(entry, 0), from.stamp(entry, 0));
    for (let rank = 1; rank < from.holders(entry); rank += 1) {
      this.#olderHolders[to * 24 + 13 + rank] = from.holder(entry, rank);
      this.#olderStamps[to * 12 + rank - 1] = from.stamp(entry, rank);
    }
  }
}
