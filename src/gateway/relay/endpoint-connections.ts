/**
 * Connections to the engines: idle ones in a stack per endpoint. Compared with a general pool this finds a free connection
 * in constant time, keeps the hot ones hot, knows whether a connection had been used before (the keep-alive race is only
 * possible there), and never reuses one whose last response did not end cleanly: a socket left paused would hang the next
 * request.
 */
import type { Clock, Timer } from '../../runtime/clock.js';
import type { ClientExchange } from '../wire/client-exchange.js';
import { EngineConnection, type ExchangeHandler, type ExchangeRequest } from '../wire/engine-connection.js';
import type { EventRelay } from '../wire/event-relay.js';

export interface EndpointConnectionsOptions {
  connectTimeoutMs: number;
  /** Longest silence in the middle of a response, ms. */
  idleTimeoutMs: number;
  clock: Clock;
  /** Carries events where nothing has to be read; `null`: nothing does. */
  eventRelay: EventRelay | null;
}

/** uvicorn closes idle connections after 5 s; ours go first, so that a request rarely meets a closing one. */
const keepAliveMs = 4_000;
/** A node that does not speak is still tried, but a host that is down must not hold requests for long. */
const silentConnectTimeoutMs = 500;
/** How often silence and idleness are looked for; one timer for all connections. */
const sweepEveryMs = 1_000;

export interface Connection {
  /** True when the socket was there before this request. */
  readonly reused: boolean;
  /** Throws when the request cannot be written as HTTP. */
  send(request: ExchangeRequest, handler: ExchangeHandler): void;
  /** Between two events of the answer: see `EngineConnection.lend`. */
  lend(exchange: ClientExchange, gaps: Float64Array, sinceMs: number): void;
  pause(): void;
  resume(): void;
  /** The response ended cleanly: the connection may serve another. */
  release(): void;
  /** Anything else: the socket goes, and the engine notices that nobody listens. */
  discard(error: Error): void;
}

export class EndpointConnections {
  readonly #options: EndpointConnectionsOptions;
  readonly #pools = new Map<string, OriginPool>();
  readonly #sweeper: Timer;

  constructor(options: EndpointConnectionsOptions) {
    this.#options = options;
    this.#sweeper = options.clock.every(sweepEveryMs, () => this.#sweep());
  }

  /** `fresh` insists on a new socket. */
  acquire(url: string, { silent, fresh }: { silent: boolean; fresh: boolean }): Connection {
    let pool = this.#pools.get(url);
    if (pool === undefined) {
      pool = new OriginPool(url, this.#options, () => this.#pools.delete(url));
      this.#pools.set(url, pool);
    }
    return pool.acquire(silent, fresh);
  }

  /** Sockets, idle and busy. */
  get size(): number {
    let size = 0;
    for (const pool of this.#pools.values()) size += pool.slots.size;
    return size;
  }

  destroy(): void {
    this.#sweeper.cancel();
    for (const pool of [...this.#pools.values()])
      for (const slot of [...pool.slots]) slot.discard(new Error('the gateway ends'));
  }

  #sweep(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const pool of [...this.#pools.values()]) for (const slot of [...pool.slots]) slot.sweep(nowMs);
  }
}

class OriginPool {
  readonly slots = new Set<Slot>();
  readonly idle: Slot[] = [];

  constructor(
    readonly origin: string,
    readonly options: EndpointConnectionsOptions,
    readonly onEmpty: () => void,
  ) {}

  acquire(silent: boolean, fresh: boolean): Slot {
    const nowMs = this.options.clock.monotonicMs();
    while (!fresh) {
      const slot = this.idle.pop();
      if (slot === undefined) break;
      if (slot.expired(nowMs)) slot.discard(new Error('idle for too long'));
      else {
        slot.reused = true;
        slot.idleUntilMs = Infinity;
        return slot;
      }
    }
    return new Slot(this, silent);
  }

  remove(slot: Slot): void {
    if (!this.slots.delete(slot)) return;
    const at = this.idle.indexOf(slot);
    if (at >= 0) this.idle.splice(at, 1);
    if (this.slots.size === 0) this.onEmpty();
  }
}

class Slot implements Connection {
  readonly #connection: EngineConnection;
  #paused = false;
  reused = false;
  /** When an idle connection is given up; never while it is busy. */
  idleUntilMs = Infinity;

  constructor(
    readonly pool: OriginPool,
    silent: boolean,
  ) {
    const { connectTimeoutMs, eventRelay } = pool.options;
    this.#connection = new EngineConnection(
      pool.origin,
      silent ? Math.min(connectTimeoutMs, silentConnectTimeoutMs) : connectTimeoutMs,
      eventRelay,
      () => pool.remove(this),
    );
    pool.slots.add(this);
  }

  send(request: ExchangeRequest, handler: ExchangeHandler): void {
    this.#connection.send(request, handler);
  }

  lend(exchange: ClientExchange, gaps: Float64Array, sinceMs: number): void {
    if (!this.#paused) this.#connection.lend(exchange, gaps, sinceMs);
  }

  pause(): void {
    this.#paused = true;
    this.#connection.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#connection.resume();
  }

  release(): void {
    this.resume();
    const seconds = this.#connection.keepAliveSeconds;
    // A second of margin for an engine that says when it closes.
    const stayMs = seconds === null ? keepAliveMs : Math.min(keepAliveMs, (seconds - 1) * 1000);
    if (!this.#connection.reusable || stayMs <= 0 || !this.pool.slots.has(this))
      return this.discard(new Error('not reusable'));
    this.idleUntilMs = this.pool.options.clock.monotonicMs() + stayMs;
    this.pool.idle.push(this);
  }

  discard(error: Error): void {
    this.pool.remove(this);
    this.#connection.destroy(error, true);
  }

  expired(nowMs: number): boolean {
    return nowMs >= this.idleUntilMs || !this.#connection.reusable;
  }

  sweep(nowMs: number): void {
    if (this.idleUntilMs !== Infinity) {
      if (this.expired(nowMs)) this.discard(new Error('idle for too long'));
    } else if (
      !this.#paused &&
      this.#connection.countQuiet() * sweepEveryMs > this.pool.options.idleTimeoutMs
    )
      this.#connection.destroy(
        Object.assign(new Error('the engine fell silent'), { code: 'RESPONSE_SILENT' }),
      );
  }
}
