/**
 * One engine at a time measures the memory of a device: a second one that loads beside it takes memory away under the first
 * one's measurement, or is measured itself. A turn is taken for all devices of an engine at once, so that no two wait for each other.
 */
export class ProfilingTurns {
  readonly #holders = new Map<string, string>();
  readonly #waiting = new Set<() => void>();

  /** The turn, or who has it. Taken again by the same engine it is the same turn. */
  tryTake(engineId: string, deviceUuids: readonly string[]): { heldBy: string } | null {
    for (const uuid of deviceUuids) {
      const holder = this.#holders.get(uuid);
      if (holder !== undefined && holder !== engineId) return { heldBy: holder };
    }
    for (const uuid of deviceUuids) this.#holders.set(uuid, engineId);
    return null;
  }

  /** Resolves when the engine has the turn, or when the signal aborts. */
  async take(
    engineId: string,
    deviceUuids: readonly string[],
    signal: AbortSignal,
    say: (waiting: string) => void,
  ): Promise<void> {
    for (let held = this.tryTake(engineId, deviceUuids); held; held = this.tryTake(engineId, deviceUuids)) {
      if (signal.aborted) return;
      say(`waiting: engine "${held.heldBy}" measures its memory on the same device`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiting.add(wake);
        signal.addEventListener('abort', wake);
      });
    }
  }

  /** Idempotent. */
  release(engineId: string): void {
    for (const [uuid, holder] of this.#holders) if (holder === engineId) this.#holders.delete(uuid);
    for (const wake of [...this.#waiting]) wake();
  }
}
