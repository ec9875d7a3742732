/**
 * Who is next: one model's waiting requests in four classes. A class that has less in flight than its share comes before
 * one that has its share, the more urgent first; with all shares used the more urgent come first. So unused shares are
 * lent, a flood of one class leaves every other its share, and nothing is idle while somebody waits. The guard beside it
 * is for requests that wait although their class gets its share: whoever has waited half of the longest wait gets every
 * fourth place that frees.
 */
import { priorities, type Priority, type PriorityClasses } from '../../domain/priority.js';

export interface Queued {
  readonly priority: Priority;
  readonly sinceMs: number;
}

/** Of how many places that free one goes to whoever has waited longest. */
const guardEvery = 4;

export class PriorityQueue<T extends Queued> {
  readonly #waiting: Record<Priority, T[]> = { critical: [], high: [], medium: [], low: [] };
  readonly #inFlight: Record<Priority, number> = { critical: 0, high: 0, medium: 0, low: 0 };
  #placed = 0;

  get length(): number {
    return priorities.reduce((sum, priority) => sum + this.#waiting[priority].length, 0);
  }

  get inFlight(): number {
    return priorities.reduce((sum, priority) => sum + this.#inFlight[priority], 0);
  }

  waiting(priority: Priority): number {
    return this.#waiting[priority].length;
  }

  push(entry: T): void {
    this.#waiting[entry.priority].push(entry);
  }

  remove(entry: T): boolean {
    const queue = this.#waiting[entry.priority];
    const at = queue.indexOf(entry);
    if (at >= 0) queue.splice(at, 1);
    return at >= 0;
  }

  /** A request of the class has got a place, or has left it. */
  took(priority: Priority): void {
    this.#inFlight[priority] += 1;
    this.#placed += 1;
  }

  left(priority: Priority): void {
    this.#inFlight[priority] -= 1;
  }

  /** The last of the least urgent that waits, if it is less urgent than `priority`: it makes room in a full queue. */
  displaceable(priority: Priority): T | undefined {
    const least = priorities.findLast((candidate) => this.#waiting[candidate].length > 0);
    if (least === undefined || priorities.indexOf(least) <= priorities.indexOf(priority)) return undefined;
    return this.#waiting[least].at(-1);
  }

  /** Everybody who waits in the order of their turns as things stand; `starvedSinceMs`: whoever came before is starving. */
  *inOrder(classes: PriorityClasses, starvedSinceMs: number): Generator<T> {
    const starving = this.#placed % guardEvery === 0 ? this.#oldest(starvedSinceMs) : undefined;
    if (starving !== undefined) yield starving;
    const total = this.inFlight;
    const below = priorities.filter((priority) => this.#inFlight[priority] < classes[priority].share * total);
    const order = [...below, ...priorities.filter((priority) => !below.includes(priority))];
    for (const priority of order)
      for (const entry of [...this.#waiting[priority]]) if (entry !== starving) yield entry;
  }

  *[Symbol.iterator](): Generator<T> {
    for (const priority of priorities) yield* [...this.#waiting[priority]];
  }

  #oldest(beforeMs: number): T | undefined {
    let oldest: T | undefined;
    for (const priority of priorities) {
      const [first] = this.#waiting[priority];
      if (first !== undefined && first.sinceMs <= beforeMs && first.sinceMs < (oldest?.sinceMs ?? Infinity))
        oldest = first;
    }
    return oldest;
  }
}
