export type StreamFault = 'cut' | 'truncate' | 'error';

/** Faults of single answers, armed for the next `count` streams that reach event `afterEvents`. */
export class StreamFaults {
  #kind: StreamFault | null = null;
  #left = 0;
  #afterEvents = 1;

  /** @param count streams to hit, 1 or more @param afterEvents events that still go out before it bites, 0 or more */
  arm(kind: StreamFault | null, count: number, afterEvents: number): void {
    this.#kind = kind;
    this.#left = count;
    this.#afterEvents = afterEvents;
  }

  /** Called before each event of a stream with its number from 1. */
  take(event: number): StreamFault | null {
    if (this.#kind === null || this.#left <= 0 || event <= this.#afterEvents) return null;
    this.#left -= 1;
    return this.#kind;
  }
}
