/**
 * Keeps a copy of a set of objects: a list, then a watch from its version, again after every break. The copy stays as it was while the API
 * server is away: a control plane that fails must not take one endpoint out of service.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf } from '../domain/error-codes.js';
import { backoffMs } from '../runtime/backoff.js';
import { sleep, type Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import { KubeError, type KubeClient, type KubeObject } from './kube-client.js';
import type { KubernetesMetrics } from './kubernetes-metrics.js';

export interface WatchObjectsOptions<T extends KubeObject> {
  client: KubeClient;
  /** With its selectors: `/api/v1/nodes?fieldSelector=metadata.name%3Dgpu-a`. */
  path: string;
  /** In words, for logs and metrics: `endpointslices`. */
  what: string;
  clock: Clock;
  logger: Logger;
  metrics: KubernetesMetrics;
  /** All objects as they are now; called after the list and after each change. */
  onObjects: (objects: readonly T[]) => void;
}

interface WatchEvent<T> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  object: T & { code?: number; message?: string };
}

/** The server ends a watch after this; a connection that died silently is noticed by then. */
const watchSeconds = 300;
const retry = { baseMs: 500, capMs: 30_000, jitterRatio: 0.2 };
/** One object of a megabyte is the API's own limit, with room for its envelope. */
const maxLineBytes = 4 * 1024 * 1024;

export class ObjectWatch<T extends KubeObject> {
  readonly #options: WatchObjectsOptions<T>;
  readonly #ended = new AbortController();
  readonly #objects = new Map<string, T>();
  #version: string | null = null;
  #failures = 0;

  constructor(options: WatchObjectsOptions<T>) {
    this.#options = options;
    void this.#run();
  }

  close(): void {
    this.#ended.abort();
  }

  async #run(): Promise<void> {
    const { clock, logger, metrics, what } = this.#options;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      try {
        if (this.#version === null) await this.#list();
        await this.#watch();
      } catch (error) {
        if (signal.aborted) return;
        metrics.failed(what);
        // What the server no longer remembers is listed anew; everything else goes on from the same version.
        if (error instanceof KubeError && error.gone) this.#version = null;
        if (this.#failures++ === 0)
          logger.warn(
            { what, reason: messageOf(error) },
            'the watch of the Kubernetes API broke; what is known stays',
          );
        await sleep(clock, backoffMs(this.#failures - 1, retry), signal);
      }
    }
  }

  async #list(): Promise<void> {
    const { client, path } = this.#options;
    const { metadata, items } = await client.list<T>(path);
    this.#objects.clear();
    for (const item of items) this.#objects.set(item.metadata.name, item);
    this.#version = metadata.resourceVersion;
    this.#tell();
  }

  async #watch(): Promise<void> {
    const { client, path } = this.#options;
    const join = path.includes('?') ? '&' : '?';
    const query = `watch=1&allowWatchBookmarks=true&timeoutSeconds=${watchSeconds}&resourceVersion=${this.#version}`;
    const body = await client.watch(`${path}${join}${query}`, this.#ended.signal);
    for await (const line of lines(body)) this.#apply(JSON.parse(line) as WatchEvent<T>);
    // A server that ends watches at once must not be asked in a tight loop.
    await nextTurn();
  }

  #apply({ type, object }: WatchEvent<T>): void {
    if (type === 'ERROR')
      throw new KubeError(object.code ?? 0, object.message ?? 'the watch ended with an error');
    this.#failures = 0;
    this.#version = object.metadata.resourceVersion ?? this.#version;
    if (type === 'BOOKMARK') return;
    if (type === 'DELETED') this.#objects.delete(object.metadata.name);
    else this.#objects.set(object.metadata.name, object);
    this.#tell();
  }

  #tell(): void {
    const { metrics, what, onObjects } = this.#options;
    this.#failures = 0;
    metrics.objects(what, this.#objects.size);
    onObjects([...this.#objects.values()]);
  }
}

async function* lines(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of body) {
    rest = Buffer.concat([rest, chunk]);
    if (rest.length > maxLineBytes)
      throw new KubeError(0, `expected lines of at most ${maxLineBytes} bytes in a watch`);
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
      yield rest.toString('utf8', 0, at);
      rest = rest.subarray(at + 1);
    }
  }
}
