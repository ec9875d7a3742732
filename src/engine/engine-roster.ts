/** The engines that there are, and the news of them: list, metrics and listeners always tell the same. */
import type { EngineStatus } from '../domain/engine.js';
import { messageOf } from '../domain/error-codes.js';
import type { Logger } from '../runtime/logger.js';
import { AttachedEngine } from './attached-engine.js';
import type { Engine } from './device-claims.js';
import { engineUnknown } from './engine-errors.js';
import type { EngineMetrics } from './engine-metrics.js';
import type { EngineSupervisor } from './engine-supervisor.js';

export type EngineChange = EngineStatus | { removed: string };
export type EngineListener = (change: EngineChange) => void;

export class EngineRoster {
  readonly #engines = new Map<string, Engine>();
  readonly #listeners = new Set<EngineListener>();
  readonly #metrics: EngineMetrics;
  readonly #logger: Logger;

  constructor(metrics: EngineMetrics, logger: Logger) {
    this.#metrics = metrics;
    this.#logger = logger;
  }

  get all(): readonly Engine[] {
    return [...this.#engines.values()];
  }

  get supervised(): EngineSupervisor[] {
    return this.all.filter((engine): engine is EngineSupervisor => !(engine instanceof AttachedEngine));
  }

  get(id: string): Engine | undefined {
    return this.#engines.get(id);
  }

  get ids(): string[] {
    return [...this.#engines.keys()];
  }

  /** Throws `engine-unknown`. */
  find(id: string): Engine {
    const engine = this.#engines.get(id);
    if (!engine) throw engineUnknown(id, this.ids);
    return engine;
  }

  listen(listener: EngineListener): void {
    this.#listeners.add(listener);
  }

  add<T extends Engine>(engine: T): T {
    this.#engines.set(engine.id, engine);
    this.#announce(engine.status);
    return engine;
  }

  remove(engine: Engine): void {
    this.#engines.delete(engine.id);
    void engine.close();
    this.#metrics.remove(engine.id);
    this.#emit({ removed: engine.id });
  }

  /** To be called by every engine when its status has changed. */
  changed(status: EngineStatus): void {
    this.#announce(status);
    const engine = this.#engines.get(status.id);
    if (engine && !(engine instanceof AttachedEngine) && isDone(engine)) this.remove(engine);
  }

  #announce(status: EngineStatus): void {
    this.#metrics.show(status);
    this.#emit(status);
  }

  /** One listener that fails must not keep the others, or the supervision, from going on. */
  #emit(change: EngineChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#logger.error({ reason: messageOf(error) }, 'a listener of engine changes failed');
      }
    }
  }
}

/** Made through the API, stopped on request, nothing left: it leaves the list. Its start counter stays on disk. */
function isDone({ record, run, status }: EngineSupervisor): boolean {
  return (
    record.dynamic &&
    record.wanted === 'stopped' &&
    !run &&
    status.state === 'stopped' &&
    record.incarnation > 0
  );
}
