/**
 * The KV cache as vLLM keeps it: a fixed number of blocks, shared by content, the free ones in a list in order of their
 * last use. A free block keeps its content until it is taken for something else, which is what makes prefix hits.
 */
export class BlockPool {
  readonly #references: Int32Array;
  readonly #hashes: Float64Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #blockOfHash = new Map<number, number>();
  #free: number;

  /** @param size number of blocks, 1 or more */
  constructor(readonly size: number) {
    this.#references = new Int32Array(size);
    this.#hashes = new Float64Array(size);
    // Entry `size` is the sentinel of the doubly linked free list: next = first to be taken, previous = last.
    this.#next = Int32Array.from({ length: size + 1 }, (_, i) => (i === size ? 0 : i + 1));
    this.#previous = Int32Array.from({ length: size + 1 }, (_, i) => (i === 0 ? size : i - 1));
    this.#free = size;
  }

  get freeCount(): number {
    return this.#free;
  }

  /** Share of blocks in use by requests, 0..1. */
  get usage(): number {
    return 1 - this.#free / this.size;
  }

  /** The block with this content, or -1. */
  find(hash: number): number {
    return this.#blockOfHash.get(hash) ?? -1;
  }

  isFree(block: number): boolean {
    return this.#references[block] === 0;
  }

  /** One more user of a block that `find` gave. */
  share(block: number): void {
    if (this.#references[block]! === 0) this.#unlink(block);
    this.#references[block]! += 1;
  }

  /** Takes the free block that was used longest ago and forgets its content; -1 when there is none. */
  take(): number {
    const block = this.#next[this.size]!;
    if (block === this.size) return -1;
    this.#unlink(block);
    this.#forget(block);
    this.#references[block] = 1;
    return block;
  }

  /** Names the content of a full block; the first block with a content keeps the name. */
  name(block: number, hash: number): void {
    if (this.#hashes[block] !== 0 || this.#blockOfHash.has(hash)) return;
    this.#hashes[block] = hash;
    this.#blockOfHash.set(hash, block);
  }

  /** Gives a request's blocks back, the last first, so that the tail of a chain is evicted before its head. */
  release(blocks: readonly number[]): void {
    for (let i = blocks.length - 1; i >= 0; i--) {
      const block = blocks[i]!;
      this.#references[block]! -= 1;
      if (this.#references[block] === 0) this.#append(block);
    }
  }

  /** Forgets all content; false, and nothing done, while blocks are in use. */
  reset(): boolean {
    if (this.#free !== this.size) return false;
    this.#blockOfHash.clear();
    this.#hashes.fill(0);
    return true;
  }

  #forget(block: number): void {
    const hash = this.#hashes[block]!;
    if (hash === 0) return;
    this.#blockOfHash.delete(hash);
    this.#hashes[block] = 0;
  }

  #unlink(block: number): void {
    const next = this.#next[block]!;
    const previous = this.#previous[block]!;
    this.#next[previous] = next;
    this.#previous[next] = previous;
    this.#free -= 1;
  }

  #append(block: number): void {
    const last = this.#previous[this.size]!;
    this.#next[last] = block;
    this.#previous[block] = last;
    this.#next[block] = this.size;
    this.#previous[this.size] = block;
    this.#free += 1;
  }
}

/** 53-bit hash of a block's tokens and everything before it; never 0. */
export function chainHash(parent: number, tokens: Int32Array, start: number, end: number): number {
  let low = (parent % 4294967296) | 0;
  let high = Math.floor(parent / 4294967296) | 0;
  for (let i = start; i < end; i++) {
    const token = tokens[i]!;
    low = Math.imul(low ^ token, 0x85ebca6b);
    low ^= low >>> 13;
    high = Math.imul(high + token, 0xc2b2ae35) ^ low;
    high ^= high >>> 16;
  }
  return ((high >>> 0) & 0x1fffff) * 4294967296 + (low >>> 0) || 1;
}
