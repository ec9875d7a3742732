import { hashInteger, hashName } from './stable-hash.js';

/**
 * The ring of endpoint names: it alone says where a key is at home. It knows names only, neither load nor health, so
 * that every coordinator draws the same ring and a cordon moves no key. Points are sorted by (position, name), which
 * makes the map independent of the order of joining, also where two points collide.
 */
export class HashRing {
  readonly #virtualNodes: number;
  #positions = new Uint32Array(0);
  /** Index into `#names` for each point. */
  #owners = new Int32Array(0);
  /** Sorted, so that an index compares like a name. */
  #names: string[] = [];

  constructor(virtualNodes: number) {
    this.#virtualNodes = virtualNodes;
  }

  /** Members in name order; `ownerAt` answers with an index into this list. */
  get names(): readonly string[] {
    return this.#names;
  }

  get size(): number {
    return this.#names.length;
  }

  /** Number of points on the ring. */
  get points(): number {
    return this.#positions.length;
  }

  add(name: string): void {
    if (this.#names.includes(name)) return;
    const names = [...this.#names, name].sort(compareNames);
    const added = names.indexOf(name);
    const fresh = new Uint32Array(this.#virtualNodes);
    for (let v = 0; v < fresh.length; v += 1) fresh[v] = hashName(name, v);
    this.#merge(fresh.sort(), names, added);
  }

  remove(name: string): void {
    const removed = this.#names.indexOf(name);
    if (removed < 0) return;
    const keep = this.#owners.map((_, point) => point).filter((point) => this.#owners[point] !== removed);
    const owners = keep.map((point) => {
      const owner = this.#owners[point]!;
      return owner > removed ? owner - 1 : owner;
    });
    this.#positions = Uint32Array.from(keep, (point) => this.#positions[point]!);
    this.#owners = owners;
    this.#names = this.#names.filter((other) => other !== name);
  }

  /** First point at or after the key, clockwise; 0 beyond the last one. `null` on an empty ring. */
  startOf(key: number): number | null {
    if (this.#names.length === 0) return null;
    const position = hashInteger(key);
    let low = 0;
    let high = this.#positions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#positions[middle]! < position) low = middle + 1;
      else high = middle;
    }
    return low === this.#positions.length ? 0 : low;
  }

  /** Index into `names` of the owner of a point. */
  ownerAt(point: number): number {
    return this.#owners[point]!;
  }

  /** Merges the sorted points of one new member: joining costs one pass, not a sort of the whole ring. */
  #merge(fresh: Uint32Array, names: string[], added: number): void {
    const total = this.#positions.length + fresh.length;
    const positions = new Uint32Array(total);
    const owners = new Int32Array(total);
    let old = 0;
    let next = 0;
    for (let point = 0; point < total; point += 1) {
      const owner = old < this.#owners.length ? shift(this.#owners[old]!, added) : -1;
      if (owner >= 0 && (next === fresh.length || this.#goesFirst(old, owner, fresh[next]!, added))) {
        positions[point] = this.#positions[old]!;
        owners[point] = owner;
        old += 1;
      } else {
        positions[point] = fresh[next]!;
        owners[point] = added;
        next += 1;
      }
    }
    this.#positions = positions;
    this.#owners = owners;
    this.#names = names;
  }

  #goesFirst(old: number, owner: number, position: number, added: number): boolean {
    const own = this.#positions[old]!;
    return own < position || (own === position && owner < added);
  }
}

function shift(owner: number, added: number): number {
  return owner >= added ? owner + 1 : owner;
}

/** By code unit: a locale must not decide where a key lives. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
