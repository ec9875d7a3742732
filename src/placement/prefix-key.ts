import type { PlacementConstants } from './placement-constants.js';

export interface PrefixKey {
  /** Block hash that stands for the prompt on the ring. */
  key: number;
  /** Its index in the chain: blocks before it are shared with too many others to say anything. */
  index: number;
}

/** Counts are kept in sixteenths, so that a block seen once is remembered for five halvings. */
const unit = 16;
const generationBits = 2 ** 32;

/**
 * Finds the first block of a chain that is not everybody's. Counts decay by halving every half window and are
 * integers, so that replaying a log gives the same keys on every machine.
 */
export class PrefixKeyFinder {
  readonly #constants: PlacementConstants;
  /** Block -> count * 2^32 + generation of that count. */
  readonly #counts = new Map<number, number>();
  #generation = 0;
  #sinceHalving = 0;
  #total = 0;
  #roundedSize = 1;

  constructor(constants: PlacementConstants) {
    this.#constants = constants;
  }

  /** Blocks counted at present; bounded by the window, since a request adds at most one. */
  get size(): number {
    return this.#counts.size;
  }

  /** Rounded up to a power of two, and down late, so that one endpoint more or less moves no key. */
  setMembers(count: number): void {
    const rounded = 2 ** Math.ceil(Math.log2(Math.max(1, count)));
    if (rounded > this.#roundedSize || count <= 0.375 * this.#roundedSize) this.#roundedSize = rounded;
  }

  /** Key of a chain that is not empty; reads only. The share of a block does not include this request. */
  keyOf(chain: readonly number[]): PrefixKey {
    const limit = Math.min(chain.length, this.#constants.keyDepthBlocks);
    const threshold = (this.#constants.sharedPrefixShare * this.#total) / this.#roundedSize;
    for (let index = 0; index < limit; index += 1) {
      if (this.#countOf(chain[index]!) <= threshold) return { key: chain[index]!, index };
    }
    return { key: chain[chain.length - 1]!, index: chain.length - 1 };
  }

  /** Counts a placed request, up to and including its first block never seen. */
  count(chain: readonly number[]): void {
    const limit = Math.min(chain.length, this.#constants.keyDepthBlocks);
    for (let index = 0; index < limit; index += 1) {
      const before = this.#countOf(chain[index]!);
      this.#counts.set(chain[index]!, (before + unit) * generationBits + this.#generation);
      if (before === 0) break;
    }
    this.#total += unit;
    this.#sinceHalving += 1;
    if (this.#sinceHalving >= this.#constants.shareWindowRequests / 2) this.#halve();
  }

  #countOf(block: number): number {
    const packed = this.#counts.get(block);
    if (packed === undefined) return 0;
    const age = this.#generation - (packed % generationBits);
    return age > 30 ? 0 : Math.floor(packed / generationBits) >> age;
  }

  #halve(): void {
    this.#generation += 1;
    this.#sinceHalving = 0;
    this.#total >>= 1;
    for (const block of this.#counts.keys()) if (this.#countOf(block) === 0) this.#counts.delete(block);
  }
}
