import { BlockTable, holdersPerBlock } from './block-table.js';

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
 * (slots); memory is bounded (`maxEntries`).
 */
export class PrefixMemory {
  readonly #maxEntries: number;
  readonly #slots: SlotState[] = [];
  #table = new BlockTable(smallestTable);
  /** Where the blocks of the chain looked at last stand: depths, trace and record of a decision are of one chain. */
  #entries = new Int32Array(64);
  #located: readonly number[] | null = null;
  #used = 0;
  #sweepAt = 0;
  #dropped = 0;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
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

  /** Blocks that the slot has taken in since its engine started, as far as its cache has room for them. */
  heldBlocks(slot: number): number {
    const { clock, forgottenAt, capacity } = this.#slots[slot]!;
    return Math.min(capacity, clock - Math.max(0, forgottenAt));
  }

  /** Blocks that the slot's cache is thought to hold. */
  capacityOf(slot: number): number {
    return this.#slots[slot]!.capacity;
  }

  /** To be read before the chain is recorded; what the engine then reports goes to `learn`. */
  trace(slot: number, chain: readonly number[]): Trace {
    if (this.#located !== chain) this.#locate(chain);
    const table = this.#table;
    for (let index = chain.length - 1; index >= 0; index -= 1) {
      const entry = this.#entries[index]!;
      if (table.isEmpty(entry)) continue;
      const rank = table.rankOf(entry, slot);
      if (rank === table.holders(entry)) continue;
      const age = this.#age(slot, table.stamp(entry, rank));
      if (this.#isOfThisEngine(slot, age)) return { depth: index + 1, age };
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
    this.#locate(chain);
    const table = this.#table;
    for (let index = chain.length - 1; index >= 0; index -= 1) {
      const entry = this.#entries[index]!;
      if (table.isEmpty(entry)) continue;
      for (let rank = 0; rank < table.holders(entry); rank += 1) {
        const slot = table.holder(entry, rank);
        if (depths[slot] === 0 && this.#holds(slot, table.stamp(entry, rank))) depths[slot] = index + 1;
      }
    }
  }

  /** The chain was placed on the slot, which held its first `depth` blocks. */
  record(slot: number, chain: readonly number[], depth: number): void {
    if (this.#located !== chain) this.#locate(chain);
    const state = this.#slots[slot]!;
    state.clock += chain.length - depth;
    for (let index = 0; index < chain.length; index += 1) this.#stamp(chain, index, slot, state.clock);
    this.#located = null;
    this.#sweep(sweepPerStamp * chain.length + sweepPerNewBlock * (chain.length - depth));
  }

  /** In a pass of its own, so that the look-ups, most of which miss the caches, need not wait for each other. */
  #locate(chain: readonly number[]): void {
    if (this.#entries.length < chain.length) this.#entries = new Int32Array(2 * chain.length);
    const [table, entries] = [this.#table, this.#entries];
    for (let index = 0; index < chain.length; index += 1) entries[index] = table.find(chain[index]!);
    this.#located = chain;
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

  /** Looks again from where the block was located: another one of the chain may have taken that place, or the table grown. */
  #stamp(chain: readonly number[], index: number, slot: number, stamp: number): void {
    const block = chain[index]!;
    let entry = this.#table.find(block, this.#entries[index]);
    if (!this.#table.isEmpty(entry)) {
      this.#table.pushHolder(entry, this.#placeToGive(entry, slot), slot, stamp);
      return;
    }
    if (!this.#makeRoom(chain)) return;
    entry = this.#table.find(block, this.#entries[index]);
    this.#table.claim(entry, block, slot, stamp);
    this.#used += 1;
  }

  /** Holders stand in order of writing, newest first: gives the slot's own place, else a lapsed one, else the oldest. */
  #placeToGive(entry: number, slot: number): number {
    const table = this.#table;
    const end = table.rankOf(entry, slot);
    if (end < table.holders(entry)) return end;
    for (let rank = 0; rank < end; rank += 1)
      if (!this.#holds(table.holder(entry, rank), table.stamp(entry, rank))) return rank;
    return Math.min(end, holdersPerBlock - 1);
  }

  /** Grows at three quarters full; at the bound new blocks are dropped and counted until the sweep has made room. */
  #makeRoom(chain: readonly number[]): boolean {
    const { size } = this.#table;
    if (this.#used < Math.min(0.75 * size, this.#maxEntries)) return true;
    if (this.#used < this.#maxEntries && size < 2 * this.#maxEntries) {
      this.#resize(size * 2);
      this.#locate(chain);
      return true;
    }
    this.#dropped += 1;
    return false;
  }

  /** Sized for all caches when they join, so that growth does not happen in the middle of a decision. */
  #reserve(): void {
    let wanted = 0;
    for (const slot of this.#slots) if (slot.used) wanted += Math.max(0, slot.capacity);
    let { size } = this.#table;
    while (size < 3 * Math.min(wanted, this.#maxEntries) && size < 2 * this.#maxEntries) size *= 2;
    if (size > this.#table.size) this.#resize(size);
  }

  #resize(size: number): void {
    this.#table = this.#table.resized(size);
    this.#located = null;
    this.#sweepAt = 0;
  }

  /** Looks at a few entries and removes what nobody holds; several times the pace of insertion, so it keeps up. */
  #sweep(count: number): void {
    for (let step = 0; step < count; step += 1) {
      if (!this.#table.isEmpty(this.#sweepAt) && !this.#isWorthKeeping(this.#sweepAt)) {
        this.#table.remove(this.#sweepAt);
        this.#used -= 1;
      } else this.#sweepAt = (this.#sweepAt + 1) & (this.#table.size - 1);
    }
  }

  #isWorthKeeping(entry: number): boolean {
    for (let rank = 0; rank < this.#table.holders(entry); rank += 1) {
      const slot = this.#table.holder(entry, rank);
      const age = this.#age(slot, this.#table.stamp(entry, rank));
      if (age <= keepFactor * this.#slots[slot]!.capacity && this.#isOfThisEngine(slot, age)) return true;
    }
    return false;
  }
}
