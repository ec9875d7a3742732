/** Leases that live, kept current by their events; a gateway worker that starts later is told of them. */
import type { WorkEvent } from './gateway-worker-channel.js';
import type { PlacedLease } from './placement/placement-types.js';

export class LiveLeases {
  readonly #leases = new Map<string, { lease: PlacedLease; started: boolean }>();

  keep(event: WorkEvent): void {
    if (event.kind === 'placed') this.#leases.set(event.lease.id, { lease: event.lease, started: false });
    else if (event.kind === 'released') this.#leases.delete(event.id);
    else if (event.kind === 'first-token') {
      const live = this.#leases.get(event.id);
      if (live) live.started = true;
    }
  }

  get(id: string): PlacedLease | undefined {
    return this.#leases.get(id)?.lease;
  }

  ids(): string[] {
    return [...this.#leases.keys()];
  }

  /** What makes somebody who knew nothing know them as they are now. */
  asEvents(): WorkEvent[] {
    return [...this.#leases.values()].flatMap(({ lease, started }): WorkEvent[] => [
      { kind: 'placed', lease },
      ...(started ? [{ kind: 'first-token' as const, id: lease.id, cachedTokens: undefined }] : []),
    ]);
  }
}
