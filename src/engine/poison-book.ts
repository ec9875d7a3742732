/**
 * Which request was in flight at how many deaths. One that was there at two, of any engines of the node, is suspected to be
 * poison: it is named to the coordinator, which knows whether it still wants to send it anywhere.
 */
const deathsWanted = 2;
/** Requests that are remembered; the oldest go first. */
const maxRemembered = 4096;

export class PoisonBook {
  readonly #deaths = new Map<string, number>();

  /** Counts one death; answers which of the requests are suspected now. */
  noteDeath(requestIds: readonly string[]): string[] {
    for (const id of new Set(requestIds)) {
      const deaths = (this.#deaths.get(id) ?? 0) + 1;
      this.#deaths.delete(id);
      this.#deaths.set(id, deaths);
    }
    for (const oldest of this.#deaths.keys()) {
      if (this.#deaths.size <= maxRemembered) break;
      this.#deaths.delete(oldest);
    }
    return [...new Set(requestIds)].filter((id) => (this.#deaths.get(id) ?? 0) >= deathsWanted);
  }
}
