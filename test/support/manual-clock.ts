import type { Clock, Timer } from '../../src/runtime/clock.js';

interface Pending {
  atMs: number;
  everyMs: number | null;
  callback: () => void;
}

/** A clock that moves only when told, so that tests never sleep. */
export class ManualClock implements Clock {
  #nowMs: number;
  #pending = new Set<Pending>();

  constructor(startMs = 1_000_000) {
    this.#nowMs = startMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(ms: number, callback: () => void): Timer {
    return this.#add({ atMs: this.#nowMs + ms, everyMs: null, callback });
  }

  every(ms: number, callback: () => void): Timer {
    return this.#add({ atMs: this.#nowMs + ms, everyMs: ms, callback });
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Moves time forward, firing due timers in order. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = [...this.#pending].filter((p) => p.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!due) break;
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      if (due.everyMs === null) this.#pending.delete(due);
      else due.atMs += due.everyMs;
      due.callback();
    }
    this.#nowMs = endMs;
  }

  #add(pending: Pending): Timer {
    this.#pending.add(pending);
    return { cancel: () => this.#pending.delete(pending) };
  }
}
