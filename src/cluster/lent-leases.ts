import { InfernodeError } from '../domain/error-codes.js';
import type { ModelPlacement } from '../placement/placement-types.js';
import type { Clock, Timer } from '../runtime/clock.js';

export interface LentLease {
  readonly endpointId: string;
  readonly placement: ModelPlacement;
}

export interface LentLeasesOptions {
  clock: Clock;
  /** A lease ended because its time was over. */
  onExpired: () => void;
  maxLeases?: number;
}

/**
 * Leases of gateways that only ask where to send. Whoever has placed may vanish, and nobody else knows when its request
 * ends: so each lease has a time, and their number a bound.
 */
export class LentLeases {
  readonly #options: LentLeasesOptions;
  readonly #maxLeases: number;
  readonly #leases = new Map<string, LentLease & { timer: Timer }>();

  constructor(options: LentLeasesOptions) {
    this.#options = options;
    this.#maxLeases = options.maxLeases ?? 16_384;
  }

  get size(): number {
    return this.#leases.size;
  }

  /** Throws `queue-full` at the bound; asked before anything is placed. */
  requireRoom(): void {
    if (this.#leases.size >= this.#maxLeases)
      throw new InfernodeError('queue-full', `expected at most ${this.#maxLeases} leases, got one more`);
  }

  add(id: string, lease: LentLease, forMs: number): void {
    const timer = this.#options.clock.after(forMs, () => {
      if (this.release(id)) this.#options.onExpired();
    });
    this.#leases.set(id, { ...lease, timer });
  }

  get(id: string): LentLease | undefined {
    return this.#leases.get(id);
  }

  /** `null` when it has ended before. */
  release(id: string): LentLease | null {
    const lease = this.#leases.get(id);
    if (!lease) return null;
    this.#leases.delete(id);
    lease.timer.cancel();
    lease.placement.done(id, this.#options.clock.monotonicMs());
    return lease;
  }

  close(): void {
    for (const id of [...this.#leases.keys()]) this.release(id);
  }
}
