/**
 * `<stateDir>/node.json`: what the node must remember over restarts and boots: devices with serial numbers, cordons, the
 * conditions that only a repair clears, and a made-up machine id where the host has none. The type of the devices' part is
 * the caller's: this folder does not know health.
 */
import { join } from 'node:path';
import { messageOf } from '../domain/error-codes.js';
import type { Cordon } from '../domain/cordon.js';
import type { Logger } from '../runtime/logger.js';
import { readStateFile, saveStateFile } from '../runtime/state-file.js';

const schema = 1;

interface NodeDocument<Health> {
  machineId: string | null;
  cordons: Cordon[];
  health: Health | null;
}

export class NodeStore<Health> {
  readonly #path: string;
  readonly #bootId: string;
  readonly #logger: Logger;
  #document: NodeDocument<Health>;
  #failed = false;
  #dirty = false;
  #writing: Promise<void> | null = null;

  constructor(options: {
    stateDir: string;
    bootId: string;
    isHealth: (value: unknown) => value is Health;
    logger: Logger;
  }) {
    this.#path = join(options.stateDir, 'node.json');
    this.#bootId = options.bootId;
    this.#logger = options.logger;
    this.#document = this.#read(options.isHealth);
  }

  get machineId(): string | null {
    return this.#document.machineId;
  }

  get health(): Health | null {
    return this.#document.health;
  }

  get cordons(): readonly Cordon[] {
    return this.#document.cordons;
  }

  /**
   * Takes the change at once and writes it beside the event loop, the newest state only. A disk that fails is logged and
   * costs memory over a restart, never the agent.
   */
  save(change: Partial<NodeDocument<Health>>): void {
    this.#document = { ...this.#document, ...change };
    this.#dirty = true;
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when everything that was saved is on disk, or could not be written. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  /** Why the state is not safe on disk, or `null`. */
  get problem(): string | null {
    return this.#failed ? `${this.#path} cannot be written` : null;
  }

  async #writeAll(): Promise<void> {
    while (this.#dirty) {
      this.#dirty = false;
      await this.#write();
    }
    this.#writing = null;
  }

  async #write(): Promise<void> {
    try {
      await saveStateFile(this.#path, { schema, bootId: this.#bootId, data: this.#document });
      this.#failed = false;
    } catch (error) {
      if (!this.#failed)
        this.#logger.error(
          { err: error, path: this.#path },
          'node state cannot be written; it is kept in memory',
        );
      this.#failed = true;
    }
  }

  #read(isHealth: (value: unknown) => value is Health): NodeDocument<Health> {
    const isDocument = (value: unknown): value is NodeDocument<Health> => {
      const data = value as Partial<NodeDocument<unknown>> | null;
      return (
        typeof data === 'object' &&
        data !== null &&
        Array.isArray(data.cordons) &&
        (data.health === null || isHealth(data.health))
      );
    };
    try {
      const read = readStateFile(this.#path, schema, isDocument);
      if (read.kind === 'found') return read.document.data;
      if (read.kind === 'bad')
        this.#logger.warn(
          { path: this.#path, reason: read.reason, setAsideAs: read.setAsideAs },
          'node state cannot be used and was set aside; starting cold',
        );
    } catch (error) {
      this.#logger.warn(
        { path: this.#path, reason: messageOf(error) },
        'node state cannot be read; starting cold',
      );
    }
    return { machineId: null, cordons: [], health: null };
  }
}
