import { hashInteger } from './stable-hash.js';

/** Three, as first tried, loses sight of who holds a popular prefix: see the table in README.md. */
const holdersPerBlock = 8;
const noBlock = -1;
const noHolder = -1;
const smallestTable = 1024;
/** Entries stay this long beyond their lapse, in capacities, so that a capacity that was told too small can be learned. */
const keepFactor = 2;
/** Entries swept per block stamped, and per block newly taken in: dead ones stay below a quarter of the living. */
const sweepPerStamp = 2;
const sweepPerNewBlock = 8;
/** Share of the way that one observation moves a learned capacity. */
const learningRate = 1 / 8;

interface SlotState {
  /** Blocks newly placed there so far. */
  clock: number;
  /** Blocks the cache is thought to hold. */
  capacity: number;
  /** As the engine told it; the learned one stays within a quarter and twice of it. */
  declaredCapacity: number;
  /** Entries from before are of an engine that is gone. */
  forgottenAt: number;
  used: boolean;
}

/** The deepest block of a chain that a slot ever took in, lapsed or not. */
export interface Trace {
  /** Its index + 1; 0 when there is none. */
  depth: number;
  /** New blocks the slot has taken in since. */
  age: number;
}

/**
 * Remembers which endpoint computed a block, as (endpoint, stamp) with up to eight endpoints per block. An entry holds
 * while the endpoint has taken in no more new blocks since than its cache has room for. Endpoints are small integers
 * (slots). Open addressing over typed arrays: no garbage, one probe per block, and bounded memory (`maxEntries`).
 */
export class PrefixMemory {
  readonly #maxEntries: number;
  readonly #slots: SlotState[] = [];
  #blocks: Float64Array;
  #holders: Int16Array;
  #stamps: Uint32Array;
  #mask: number;
  #used = 0;
  #sweepAt = 0;
  #dropped = 0;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
    this.#blocks = new Float64Array(smallestTable).fill(noBlock);
    this.#holders = new Int16Array(smallestTable * holdersPerBlock).fill(noHolder);
    this.#stamps = new Uint32Array(smallestTable * holdersPerBlock);
    this.#mask = smallestTable - 1;
  }

  /** Blocks remembered at present, some of them lapsed and not yet swept. */
  get size(): number {
    return this.#used;
  }

  /** Blocks not remembered because the table was at its bound. */
  get dropped(): number {
    return this.#dropped;
  }

  get slotCount(): number {
    return this.#slots.length;
  }

  addSlot(capacityBlocks: number): number {
    const free = this.#slots.findIndex((slot) => !slot.used);
    if (free >= 0) {
      this.#slots[free]!.used = true;
      this.setCapacity(free, capacityBlocks);
      return free;
    }
    this.#slots.push({
      clock: 1,
      capacity: capacityBlocks,
      declaredCapacity: capacityBlocks,
      forgottenAt: 0,
      used: true,
    });
    this.#reserve();
    return this.#slots.length - 1;
  }

  removeSlot(slot: number): void {
    this.forget(slot);
    this.#slots[slot]!.used = false;
  }

  setCapacity(slot: number, capacityBlocks: number): void {
    const state = this.#slots[slot]!;
    state.capacity = capacityBlocks;
    state.declaredCapacity = capacityBlocks;
    this.#reserve();
  }

  /** The engine restarted: what it held is gone. */
  forget(slot: number): void {
    const state = this.#slots[slot]!;
    state.forgottenAt = state.clock;
    state.clock += 1;
    state.capacity = state.declaredCapacity;
  }

  /** Blocks that the slot's cache is thought to hold. */
  capacityOf(slot: number): number {
    return this.#slots[slot]!.capacity;
  }

  /** To be read before the chain is recorded; what the engine then reports goes to `learn`. */
  trace(slot: number, chain: readonly number[]): Trace {
    for (let index = chain.length - 1; index >= 0; index -= 1) {
      const entry = this.#find(chain[index]!);
      if (this.#blocks[entry] === noBlock) continue;
      for (let h = entry * holdersPerBlock; h < (entry + 1) * holdersPerBlock; h += 1) {
        if (this.#holders[h] !== slot) continue;
        const age = this.#age(slot, this.#stamps[h]!);
        if (this.#isOfThisEngine(slot, age)) return { depth: index + 1, age };
      }
    }
    return { depth: 0, age: 0 };
  }

  /** The engine reported whether blocks of that age were still cached: the capacity moves towards what explains it. */
  learn(slot: number, age: number, wasCached: boolean): void {
    const state = this.#slots[slot]!;
    if (wasCached === age <= state.capacity) return;
    const moved = state.capacity + (age - state.capacity) * learningRate;
    state.capacity = Math.min(2 * state.declaredCapacity, Math.max(state.declaredCapacity / 4, moved));
  }

  /**
   * Leading blocks of the chain that each slot holds, into `depths` (cleared here). A chained hash implies its prefix,
   * so the deepest block held says it all, and a holder displaced from a popular early block loses nothing.
   */
  readDepths(chain: readonly number[], depths: Int32Array): void {
    depths.fill(0);
    for (let index = chain.length - 1; index >= 0; index -= 1) {
      const entry = this.#find(chain[index]!);
      if (this.#blocks[entry] === noBlock) continue;
      for (let h = entry * holdersPerBlock; h < (entry + 1) * holdersPerBlock; h += 1) {
        const slot = this.#holders[h]!;
        if (slot !== noHolder && depths[slot] === 0 && this.#holds(slot, this.#stamps[h]!)) {
          depths[slot] = index + 1;
        }
      }
    }
  }

  /** The chain was placed on the slot, which held its first `depth` blocks. */
  record(slot: number, chain: readonly number[], depth: number): void {
    const state = this.#slots[slot]!;
    state.clock += chain.length - depth;
    for (const block of chain) this.#stamp(block, slot, state.clock);
    this.#sweep(sweepPerStamp * chain.length + sweepPerNewBlock * (chain.length - depth));
  }

  #holds(slot: number, stamp: number): boolean {
    const age = this.#age(slot, stamp);
    return age <= this.#slots[slot]!.capacity && this.#isOfThisEngine(slot, age);
  }

  /** Stamps are clocks modulo 2^32; ages are right as long as they stay below that. */
  #age(slot: number, stamp: number): number {
    return (this.#slots[slot]!.clock - stamp) >>> 0;
  }

  #isOfThisEngine(slot: number, age: number): boolean {
    const state = this.#slots[slot]!;
    return age < state.clock - state.forgottenAt;
  }

  /** Index of the block's entry, or of the empty place where it belongs. */
  #find(block: number): number {
    let entry = hashInteger(block) & this.#mask;
    while (this.#blocks[entry] !== block && this.#blocks[entry] !== noBlock) entry = (entry + 1) & this.#mask;
    return entry;
  }

  #stamp(block: number, slot: number, stamp: number): void {
    let entry = this.#find(block);
    if (this.#blocks[entry] === noBlock) {
      if (!this.#makeRoom()) return;
      entry = this.#find(block);
      this.#blocks[entry] = block;
      this.#used += 1;
    }
    const first = entry * holdersPerBlock;
    for (let h = this.#placeToGive(first, slot); h > first; h -= 1) {
      this.#holders[h] = this.#holders[h - 1]!;
      this.#stamps[h] = this.#stamps[h - 1]!;
    }
    this.#holders[first] = slot;
    this.#stamps[first] = stamp;
  }

  /** Holders stand in order of writing, newest first: gives the slot's own place, else a lapsed one, else the oldest. */
  #placeToGive(first: number, slot: number): number {
    let choice = first + holdersPerBlock - 1;
    for (let h = choice; h >= first; h -= 1) {
      const holder = this.#holders[h]!;
      if (holder === slot) return h;
      if (holder === noHolder || !this.#holds(holder, this.#stamps[h]!)) choice = h;
    }
    return choice;
  }

  /** Grows at three quarters full; at the bound new blocks are dropped and counted until the sweep has made room. */
  #makeRoom(): boolean {
    if (this.#used < Math.min(0.75 * this.#blocks.length, this.#maxEntries)) return true;
    if (this.#used < this.#maxEntries && this.#blocks.length < 2 * this.#maxEntries) {
      this.#resize(this.#blocks.length * 2);
      return true;
    }
    this.#dropped += 1;
    return false;
  }

  /** Sized for all caches when they join, so that growth does not happen in the middle of a decision. */
  #reserve(): void {
    let wanted = 0;
    for (const slot of this.#slots) if (slot.used) wanted += Math.max(0, slot.capacity);
    let size = this.#blocks.length;
    while (size < 3 * Math.min(wanted, this.#maxEntries) && size < 2 * this.#maxEntries) size *= 2;
    if (size > this.#blocks.length) this.#resize(size);
  }

  #resize(size: number): void {
    const [blocks, holders, stamps] = [this.#blocks, this.#holders, this.#stamps];
    this.#blocks = new Float64Array(size).fill(noBlock);
    this.#holders = new Int16Array(size * holdersPerBlock).fill(noHolder);
    this.#stamps = new Uint32Array(size * holdersPerBlock);
    this.#mask = size - 1;
    this.#sweepAt = 0;
    for (let entry = 0; entry < blocks.length; entry += 1) {
      if (blocks[entry] !== noBlock) this.#move(blocks, holders, stamps, entry, this.#find(blocks[entry]!));
    }
  }

  #move(blocks: Float64Array, holders: Int16Array, stamps: Uint32Array, from: number, to: number): void {
    this.#blocks[to] = blocks[from]!;
    for (let h = 0; h < holdersPerBlock; h += 1) {
      this.#holders[to * holdersPerBlock + h] = holders[from * holdersPerBlock + h]!;
      this.#stamps[to * holdersPerBlock + h] = stamps[from * holdersPerBlock + h]!;
    }
  }

  /** Looks at a few entries and removes what nobody holds; several times the pace of insertion, so it keeps up. */
  #sweep(count: number): void {
    for (let step = 0; step < count; step += 1) {
      if (this.#blocks[this.#sweepAt] !== noBlock && !this.#isWorthKeeping(this.#sweepAt))
        this.#remove(this.#sweepAt);
      else this.#sweepAt = (this.#sweepAt + 1) & this.#mask;
    }
  }

  #isWorthKeeping(entry: number): boolean {
    for (let h = entry * holdersPerBlock; h < (entry + 1) * holdersPerBlock; h += 1) {
      const slot = this.#holders[h]!;
      if (slot === noHolder) continue;
      const age = this.#age(slot, this.#stamps[h]!);
      if (age <= keepFactor * this.#slots[slot]!.capacity && this.#isOfThisEngine(slot, age)) return true;
    }
    return false;
  }

  /** Removal by shifting back: no tombstones, so a probe ends at the first empty place. */
  #remove(entry: number): void {
    let hole = entry;
    for (let next = (hole + 1) & this.#mask; this.#blocks[next] !== noBlock; next = (next + 1) & this.#mask) {
      const ideal = hashInteger(this.#blocks[next]!) & this.#mask;
      if (((next - ideal) & this.#mask) < ((next - hole) & this.#mask)) continue;
      this.#move(this.#blocks, this.#holders, this.#stamps, next, hole);
      hole = next;
    }
    this.#blocks[hole] = noBlock;
    this.#holders.fill(noHolder, hole * holdersPerBlock, (hole + 1) * holdersPerBlock);
    this.#used -= 1;
  }
}
