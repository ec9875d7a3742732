import type { CoordinatorWork, WorkEvent } from '../domain/work.js';
import type { Clock, Timer } from '../runtime/clock.js';

export interface WorkFoldOptions {
  clock: Clock;
  /** From the first event to the telling, ms. */
  foldMs: number;
  onFold: (work: CoordinatorWork[]) => void;
}

/** Who placed the work, and how its block keys were made. */
export type WorkSource = Omit<CoordinatorWork, 'events'>;

/** A fold is told early when it has grown to this: it is what bounds one message and the memory of it. */
const maxEvents = 8_192;
const maxChainBytes = 1024 * 1024;

/** Gathers events for a few milliseconds, so that many small reports become one message to each reader. */
export class WorkFold {
  readonly #options: WorkFoldOptions;
  readonly #gathered = new Map<string, { by: WorkSource; events: WorkEvent[]; atMs: number[] }>();
  #timer: Timer | null = null;
  #events = 0;
  #chainBytes = 0;

  constructor(options: WorkFoldOptions) {
    this.#options = options;
  }

  add(by: WorkSource, event: WorkEvent): void {
    const { clock, foldMs } = this.#options;
    let own = this.#gathered.get(by.coordinator);
    if (!own) this.#gathered.set(by.coordinator, (own = { by, events: [], atMs: [] }));
    own.events.push(event);
    own.atMs.push(clock.monotonicMs() - event.ageMs);
    this.#events += 1;
    if (event.kind === 'placed') this.#chainBytes += event.lease.chain.length;
    if (this.#events >= maxEvents || this.#chainBytes >= maxChainBytes) this.flush();
    else this.#timer ??= clock.after(foldMs, () => this.flush());
  }

  flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#events === 0) return;
    const nowMs = this.#options.clock.monotonicMs();
    const work = [...this.#gathered.values()].map(({ by, events, atMs }) => ({
      ...by,
      events: events.map((event, i) => ({ ...event, ageMs: nowMs - atMs[i]! })),
    }));
    this.#gathered.clear();
    this.#events = 0;
    this.#chainBytes = 0;
    this.#options.onFold(work);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
