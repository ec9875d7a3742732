/**
 * One owner among several processes, by a lease that all can read and of several writers one wins. A holder is believed for the lease's duration
 * after this process last saw it renew, on this process's own monotonic clock: clocks of other machines are never compared, the store's
 * neither. The owner steps down by itself before anybody else may take over, so two never act at once.
 *
 * A lease that is not there, or that names this process without its doing, was lost or restored: who held it may not know yet. It is taken at
 * once and used only after a whole duration.
 */
import { messageOf } from '../domain/error-codes.js';
import type { LeaderElection } from '../domain/leader-election.js';
import type { Clock, Timer } from './clock.js';
import type { Logger } from './logger.js';

export interface LeaseRecord {
  /** Empty: given back. */
  holder: string;
  durationMs: number;
  /** Another one after each write, never the same twice. */
  version: string;
}

export interface LeaseStore {
  /** In words, for logs. */
  readonly name: string;
  /** `null`: there is none. */
  read(): Promise<LeaseRecord | null>;
  /** False when the lease is no longer at `version` (`null`: not there): somebody else wrote first. */
  write(lease: Omit<LeaseRecord, 'version'>, version: string | null): Promise<boolean>;
}

export interface LeaseElectionOptions {
  store: LeaseStore;
  /** Unique to this process: host name and epoch. */
  identity: string;
  clock: Clock;
  logger: Logger;
  onLeading: (leading: boolean) => void;
  /** A read or write of the lease that failed; the next is tried at the usual time. */
  onFailure: () => void;
  /** After the last renewal until others take over; the default is that of Kubernetes' own controllers. */
  durationMs?: number;
}

/** Renewals in one duration; the owner gives up after the last but one has failed. */
const renewalsPerDuration = 7;

export class LeaseElection implements LeaderElection {
  readonly #options: LeaseElectionOptions;
  readonly #durationMs: number;
  readonly #timer: Timer;
  /** What was last seen of the lease, and when it was seen to change. */
  #seen: { version: string; atMs: number } | null = null;
  #held = false;
  #renewedAtMs = -Infinity;
  #leadsFromMs = Infinity;
  #told = false;
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(options: LeaseElectionOptions) {
    this.#options = options;
    this.#durationMs = options.durationMs ?? 15_000;
    options.onLeading(false);
    this.#timer = options.clock.every(this.#durationMs / renewalsPerDuration, () => this.#try());
    this.#try();
  }

  /** False one renewal before anybody else may believe so. */
  get leading(): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    return this.#holdsAt(nowMs) && nowMs >= this.#leadsFromMs;
  }

  /** Gives the lease back, so that the next owner need not wait. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer.cancel();
    await this.#running;
    if (this.#held) await this.#release().catch(() => undefined);
    this.#held = false;
    this.#tell();
  }

  #holdsAt(nowMs: number): boolean {
    return this.#held && nowMs - this.#renewedAtMs < this.#durationMs * (1 - 2 / renewalsPerDuration);
  }

  #try(): void {
    this.#running ??= this.#round().finally(() => (this.#running = null));
  }

  async #round(): Promise<void> {
    const { logger, store, onFailure } = this.#options;
    try {
      await this.#takeOrRenew();
    } catch (error) {
      onFailure();
      logger.warn({ lease: store.name, reason: messageOf(error) }, 'the lease could not be read or written');
    }
    this.#tell();
  }

  async #takeOrRenew(): Promise<void> {
    const { clock, identity, store } = this.#options;
    const lease = await store.read();
    // After the read, for its holder may have renewed while it was under way; before the write, for it may be carried out at any moment since.
    const nowMs = clock.monotonicMs();
    const renews = lease?.holder === identity && this.#holdsAt(nowMs);
    if (lease !== null && !renews) {
      if (this.#seen?.version !== lease.version) this.#seen = { version: lease.version, atMs: nowMs };
      const others = lease.holder !== '' && lease.holder !== identity;
      if (others && nowMs - this.#seen.atMs < lease.durationMs) {
        this.#held = false;
        return;
      }
    }
    if (!(await store.write({ holder: identity, durationMs: this.#durationMs }, lease?.version ?? null))) {
      if (!renews) this.#held = false;
      return;
    }
    if (!renews) {
      const lost = lease === null || lease.holder === identity;
      this.#leadsFromMs = nowMs + (lost ? this.#durationMs : 0);
    }
    this.#renewedAtMs = nowMs;
    this.#held = !this.#closed;
  }

  async #release(): Promise<void> {
    const { identity, store } = this.#options;
    const lease = await store.read();
    if (lease?.holder === identity) await store.write({ holder: '', durationMs: 1000 }, lease.version);
  }

  #tell(): void {
    const { leading } = this;
    if (leading === this.#told) return;
    this.#told = leading;
    const { logger, onLeading, store } = this.#options;
    onLeading(leading);
    logger.info(
      { lease: store.name, leading },
      leading ? 'this coordinator owns the lease' : 'this coordinator does not own the lease any more',
    );
  }
}
