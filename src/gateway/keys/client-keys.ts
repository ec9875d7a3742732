/** Who may use the gateway, and how much: keys from a file or the shared store, their limits, their usage. */
import type { Clock } from '../../runtime/clock.js';
import type { Logger } from '../../runtime/logger.js';
import { ApiKeys } from './api-keys.js';
import type { GatewayMetrics } from '../gateway-metrics.js';
import { KeyUsage } from './key-usage.js';
import { MemoryRateStore, type RateScope, type RateStore } from './rate-store.js';
import { RedisRateStore } from './redis-rate-store.js';
import { SharedStore, type SharedOperation } from './shared-store.js';
import { StoredKeys } from './stored-keys.js';

/** The member `gateway.keys` of the configuration: one of the two. */
export interface KeysConfig {
  file?: string | undefined;
  sharedStore?: boolean | undefined;
}

/** The member `gateway.sharedStore` of the configuration. */
export interface SharedStoreConfig {
  url: string;
  prefix: string;
  timeoutMs: number;
  /** While the store is away: each coordinator by its own count, or what is limited is refused. */
  whenDown: 'local' | 'refuse';
}

export type PublishRate = (scopes: readonly RateScope[], tokens: number, settles: boolean) => void;

export interface ClientKeysOptions {
  keys?: KeysConfig | undefined;
  sharedStore?: SharedStoreConfig | undefined;
  /** Told of what is taken from the limits here (`settles`: given back), where other processes count the same ones. */
  publishRate?: PublishRate | undefined;
  clock: Clock;
  logger: Logger;
  metrics: GatewayMetrics;
}

export class ClientKeys {
  readonly usage: KeyUsage;
  readonly #memory: MemoryRateStore;
  readonly #file: string | undefined;
  readonly #store: SharedStore | null;
  readonly #stored: StoredKeys | null;
  #fromFile: ApiKeys | null = null;

  constructor({ keys, sharedStore, publishRate, clock, logger, metrics }: ClientKeysOptions) {
    const memory = new MemoryRateStore(clock, publishRate);
    this.#memory = memory;
    let rates: RateStore = memory;
    this.#file = keys?.file;
    this.#store = null;
    this.#stored = null;
    if (sharedStore !== undefined) {
      const { prefix, whenDown } = sharedStore;
      const onFailure = (operation: SharedOperation): void => metrics.sharedStoreFailures.inc({ operation });
      const store = new SharedStore({ ...sharedStore, clock, logger, onFailure });
      this.#store = store;
      if (keys?.sharedStore === true) this.#stored = new StoredKeys(store, prefix, clock);
      rates = new RedisRateStore({ store, prefix, fallback: whenDown === 'local' ? memory : null });
    }
    this.usage = new KeyUsage(rates, metrics);
  }

  /** `null`: everybody may; `unavailable`: nobody can be told apart now. */
  get current(): ApiKeys | null | 'unavailable' {
    return this.#stored === null ? this.#fromFile : (this.#stored.current ?? 'unavailable');
  }

  async start(): Promise<void> {
    this.reload();
    await this.#store?.start();
    await this.#stored?.start();
  }

  /** Reads the key file again; on an error the old keys stay and the error says why. */
  reload(): void {
    if (this.#file !== undefined) this.#fromFile = ApiKeys.fromFile(this.#file);
  }

  /** What another process took from limits that are counted in memory here. */
  observe(scopes: readonly RateScope[], tokens: number, settles: boolean): void {
    this.#memory.observe(scopes, tokens, settles);
  }

  close(): void {
    this.#stored?.close();
    this.#store?.destroy();
  }
}
