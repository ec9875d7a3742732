/** Who waits until a snapshot, or the end of its sampler, says something. */
import type { RawSnapshot } from '../native/nvml.js';
import type { Clock } from '../runtime/clock.js';

type Waiter = (raw: RawSnapshot | null) => void;

export class SnapshotWaiters {
  readonly #clock: Clock;
  readonly #waiters = new Set<Waiter>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** With each look; `null`: there is no snapshot. */
  settle(raw: RawSnapshot | null): void {
    for (const waiter of [...this.#waiters]) waiter(raw);
  }

  /** False after the time-out. */
  until(holds: (raw: RawSnapshot | null) => boolean, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (held: boolean): void => {
        this.#waiters.delete(waiter);
        timer.cancel();
        clearTimeout(keepAlive);
        resolve(held);
      };
      const waiter: Waiter = (raw) => {
        if (holds(raw)) finish(true);
      };
      const timer = this.#clock.after(timeoutMs, () => finish(false));
      // All else here lets the process end; while somebody waits for an answer it must not.
      const keepAlive = setTimeout(() => undefined, timeoutMs);
      this.#waiters.add(waiter);
    });
  }
}
