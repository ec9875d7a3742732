/** Who leaves the block store first. Both policies see the same four events, and know nothing of bytes. */
export interface EvictionPolicy {
  /** A new key; `importance` in [0, 1]. */
  add(key: string, importance: number): void;
  /** The key was used. */
  touch(key: string): void;
  remove(key: string): void;
  /** The key to evict next, `undefined` when there is none. */
  victim(): string | undefined;
}

export const evictionPolicies = ['lru', 'importance-lru'] as const;
export type EvictionName = (typeof evictionPolicies)[number];

export function createEviction(name: EvictionName): EvictionPolicy {
  return name === 'lru' ? new LruEviction() : new ImportanceLruEviction();
}

/** Least recently used: a Map keeps the order of insertion, so using a key means putting it in again. */
class LruEviction implements EvictionPolicy {
  readonly #keys = new Set<string>();

  add(key: string): void {
    this.#keys.delete(key);
    this.#keys.add(key);
  }
  touch(key: string): void {
    if (this.#keys.delete(key)) this.#keys.add(key);
  }
  remove(key: string): void {
    this.#keys.delete(key);
  }
  victim(): string | undefined {
    return this.#keys.values().next().value;
  }
}

interface Ranked {
  key: string;
  importance: number;
  /** Larger is more recent. */
  used: number;
}

const leavesBefore = (a: Ranked, b: Ranked): boolean =>
  a.importance === b.importance ? a.used < b.used : a.importance < b.importance;

/**
 * Least important first, then least recently used: a binary heap. A touch or removal leaves its old entry in the heap, to
 * be skipped when it comes up; when more than half are such, the heap is made anew, so it stays within twice the keys.
 */
class ImportanceLruEviction implements EvictionPolicy {
  readonly #live = new Map<string, Ranked>();
  #heap: Ranked[] = [];
  #uses = 0;

  add(key: string, importance: number): void {
    const ranked = { key, importance, used: (this.#uses += 1) };
    this.#live.set(key, ranked);
    this.#push(ranked);
  }
  touch(key: string): void {
    const known = this.#live.get(key);
    if (known) this.add(key, known.importance);
  }
  remove(key: string): void {
    this.#live.delete(key);
  }
  victim(): string | undefined {
    for (let top = this.#heap[0]; top; top = this.#heap[0]) {
      if (this.#live.get(top.key) === top) return top.key;
      this.#pop();
    }
    return undefined;
  }

  #push(ranked: Ranked): void {
    if (this.#heap.length > 2 * this.#live.size + 16) {
      this.#heap = [...this.#live.values()].sort((a, b) => (leavesBefore(a, b) ? -1 : 1));
      return; // sorted is a heap, and `ranked` is among the live
    }
    this.#heap.push(ranked);
    for (let i = this.#heap.length - 1; i > 0;) {
      const parent = (i - 1) >> 1;
      if (!leavesBefore(this.#heap[i]!, this.#heap[parent]!)) return;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #pop(): void {
    const last = this.#heap.pop()!;
    if (this.#heap.length === 0) return;
    this.#heap[0] = last;
    for (let i = 0; ;) {
      const left = 2 * i + 1;
      if (left >= this.#heap.length) return;
      const right = left + 1;
      const child =
        right < this.#heap.length && leavesBefore(this.#heap[right]!, this.#heap[left]!) ? right : left;
      if (!leavesBefore(this.#heap[child]!, this.#heap[i]!)) return;
      this.#swap(i, child);
      i = child;
    }
  }

  #swap(i: number, j: number): void {
    [this.#heap[i], this.#heap[j]] = [this.#heap[j]!, this.#heap[i]!];
  }
}
