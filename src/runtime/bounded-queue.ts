/** A FIFO with a bound: when full, the oldest item is dropped and counted, so the newest truth always gets in. */
export class BoundedQueue<T> {
  #items: T[] = [];
  #dropped = 0;

  constructor(readonly capacity: number) {}

  get size(): number {
    return this.#items.length;
  }

  /** Items lost to the bound since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  push(item: T): void {
    this.#items.push(item);
    if (this.#items.length > this.capacity) {
      this.#items.shift();
      this.#dropped += 1;
    }
  }

  shift(): T | undefined {
    return this.#items.shift();
  }

  toArray(): readonly T[] {
    return this.#items;
  }
}
