/** The connection to Valkey or Redis: every command has a deadline, nothing queues while it is down, and failures are counted. */
import { createClient } from '@redis/client';
import type { Logger } from '../../runtime/logger.js';
import type { Clock, Timer } from '../../runtime/clock.js';

export interface SharedStoreOptions {
  /** `redis://[USER:PASSWORD@]HOST:PORT[/DATABASE]`, or `rediss://` over TLS. */
  url: string;
  timeoutMs: number;
  clock: Clock;
  logger: Logger;
  /** A command that failed, by what it was for. */
  onFailure?: (operation: SharedOperation) => void;
}

export type SharedOperation = 'keys' | 'reserve' | 'settle';

/** Between two tries to connect; a store that restarts is back within a second. */
const reconnectMs = 500;
/** Commands under way at once; beyond it the store is treated as down. */
const maxCommands = 10_000;

export class SharedStore {
  readonly #options: SharedStoreOptions;
  readonly #client;
  #up = true;

  constructor(options: SharedStoreOptions) {
    this.#options = options;
    this.#client = createClient({
      url: options.url,
      disableOfflineQueue: true,
      commandsQueueMaxLength: maxCommands,
      socket: { connectTimeout: 2000, reconnectStrategy: () => reconnectMs },
    });
    this.#client.on('error', (error: Error) => this.#say(false, error.message));
    this.#client.on('ready', () => this.#say(true, ''));
  }

  /** Begins to connect and goes on for ever; resolves with the first connection, or after the time-out without. */
  async start(): Promise<void> {
    const connected = this.#client.connect().catch(() => undefined);
    await Promise.race([connected, this.#deadline(2000).promise]);
  }

  /** Rejects when the store is away, answers with an error, or not in time. */
  async command(args: string[]): Promise<unknown> {
    const { promise, timer } = this.#deadline(this.#options.timeoutMs);
    const late = promise.then(() => {
      throw new Error(`no answer within ${this.#options.timeoutMs} ms`);
    });
    try {
      return await Promise.race([this.#client.sendCommand(args), late]);
    } finally {
      timer.cancel();
    }
  }

  failed(operation: SharedOperation, reason: string): void {
    this.#options.onFailure?.(operation);
    this.#say(false, reason);
  }

  destroy(): void {
    if (this.#client.isOpen) this.#client.destroy();
  }

  #say(up: boolean, reason: string): void {
    if (up === this.#up) return;
    this.#up = up;
    const { logger } = this.#options;
    if (up) logger.info({}, 'the shared store answers');
    else logger.warn({ reason }, 'the shared store does not answer; what needs it follows its fail mode');
  }

  #deadline(ms: number): { promise: Promise<void>; timer: Timer } {
    let timer!: Timer;
    const promise = new Promise<void>((resolve) => (timer = this.#options.clock.after(ms, resolve)));
    return { promise, timer };
  }
}
