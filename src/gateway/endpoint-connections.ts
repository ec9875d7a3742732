/**
 * HTTP connections to the engines: one undici client per connection, idle ones in a stack per endpoint. Compared with a
 * general pool this finds a free connection in constant time, keeps the hot ones hot, knows whether a connection had
 * been used before (the keep-alive race is only possible there), and never reuses one whose last response did not end
 * cleanly: a socket left paused would hang the next request.
 */
import { Client } from 'undici';

export interface EndpointConnectionsOptions {
  connectTimeoutMs: number;
  /** Longest silence in the middle of a response, ms. */
  idleTimeoutMs: number;
}

/** uvicorn closes idle connections after 5 s; ours go first, so that a request rarely meets a closing one. */
const keepAliveMs = 4_000;
/** A node that does not speak is still tried, but a host that is down must not hold requests for long. */
const silentConnectTimeoutMs = 500;

export interface Connection {
  readonly client: Client;
  /** True when the socket was there before this request. */
  readonly reused: boolean;
  /** The response ended cleanly: the connection may serve another. */
  release(): void;
  /** Anything else: the socket goes, and the engine notices that nobody listens. */
  discard(error: Error): void;
}

export class EndpointConnections {
  readonly #options: EndpointConnectionsOptions;
  readonly #pools = new Map<string, OriginPool>();

  constructor(options: EndpointConnectionsOptions) {
    this.#options = options;
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
    for (const pool of [...this.#pools.values()])
      for (const slot of [...pool.slots]) slot.discard(new Error('the gateway ends'));
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
    const slot = fresh ? undefined : this.idle.pop();
    if (slot === undefined) return new Slot(this, silent);
    slot.reused = true;
    slot.busy = true;
    return slot;
  }

  remove(slot: Slot): void {
    if (!this.slots.delete(slot)) return;
    const at = this.idle.indexOf(slot);
    if (at >= 0) this.idle.splice(at, 1);
    if (this.slots.size === 0) this.onEmpty();
  }
}

class Slot implements Connection {
  readonly client: Client;
  reused = false;
  busy = true;

  constructor(
    readonly pool: OriginPool,
    silent: boolean,
  ) {
    const { connectTimeoutMs, idleTimeoutMs } = pool.options;
    this.client = new Client(pool.origin, {
      connectTimeout: silent ? Math.min(connectTimeoutMs, silentConnectTimeoutMs) : connectTimeoutMs,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
      // The wait for the first byte has its own limit in the attempt, by the injected clock.
      headersTimeout: 0,
      bodyTimeout: idleTimeoutMs,
      pipelining: 1,
    });
    this.client.on('disconnect', () => {
      if (!this.busy) this.discard(new Error('closed while idle'));
    });
    pool.slots.add(this);
  }

  release(): void {
    if (!this.busy) return;
    this.busy = false;
    if (this.client.destroyed || !this.pool.slots.has(this)) return;
    this.pool.idle.push(this);
  }

  discard(error: Error): void {
    this.busy = false;
    this.pool.remove(this);
    if (!this.client.destroyed) this.client.destroy(error, () => undefined);
  }
}
