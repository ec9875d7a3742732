/**
 * Keys kept in Valkey or Redis, read whole at the start and every ten seconds: a request never waits for the store, and keys
 * once known stay valid while it is away. Hash `PREFIXkeys`: digest -> the other members of a key as JSON; hash
 * `PREFIXtenants`: id -> its limits.
 */
import { messageOf } from '../../domain/error-codes.js';
import type { Clock, Timer } from '../../runtime/clock.js';
import { ApiKeys } from './api-keys.js';
import type { SharedStore } from './shared-store.js';

const refreshEveryMs = 10_000;

export class StoredKeys {
  #keys: ApiKeys | null = null;
  #timer: Timer | null = null;

  constructor(
    readonly store: SharedStore,
    readonly prefix: string,
    readonly clock: Clock,
  ) {}

  /** `null` until the store has answered once: nobody can be told apart then. */
  get current(): ApiKeys | null {
    return this.#keys;
  }

  async start(): Promise<void> {
    await this.refresh();
    this.#timer = this.clock.every(refreshEveryMs, () => void this.refresh());
  }

  async refresh(): Promise<void> {
    try {
      const [keys, tenants] = await Promise.all([this.#read('keys'), this.#read('tenants')]);
      this.#keys = new ApiKeys(
        {
          keys: keys.map(([sha256, members]) => ({ ...members, sha256 })) as never,
          tenants: tenants.map(([id, members]) => ({ ...members, id })),
        },
        `${this.prefix}keys`,
      );
    } catch (error) {
      this.store.failed('keys', messageOf(error));
    }
  }

  close(): void {
    this.#timer?.cancel();
  }

  async #read(name: string): Promise<[string, object][]> {
    const flat = (await this.store.command(['HGETALL', this.prefix + name])) as string[];
    const entries: [string, object][] = [];
    for (let i = 0; i + 1 < flat.length; i += 2)
      entries.push([flat[i] as string, JSON.parse(flat[i + 1] as string) as object]);
    return entries;
  }
}
