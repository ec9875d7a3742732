/**
 * Brings back the engines of an earlier agent process: records, runs that go on, and what can only be ended. An engine whose
 * run before cannot be judged stays down and is looked at again: a second run beside the first would be the greater harm.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SupervisedEngineConfig } from '../config/agent-config.js';
import { messageOf } from '../domain/error-codes.js';
import { sleep } from '../runtime/clock.js';
import { adoptEngine } from './adopt-engines.js';
import type { EngineContext } from './engine-context.js';
import { EngineStore, type EngineRecord } from './engine-record.js';
import type { EngineRun } from './engine-run.js';
import type { EngineSupervisor } from './engine-supervisor.js';
import { emptyRecord, recordOf } from './restore-record.js';

/** Adoption waits for the first look at each engine, but a hung one must not hold up the others' news. */
export const firstLookMs = 1000;
export const engineIdPattern = /^\w[\w.-]{0,127}$/;

export interface EngineRestorerOptions {
  context: EngineContext;
  stateDir: string;
  bootId: string;
  hasTemplate: (name: string) => boolean;
  /** Makes the engine known. */
  supervise: (id: string, store: EngineStore, record: EngineRecord) => EngineSupervisor;
}

export class EngineRestorer {
  readonly #options: EngineRestorerOptions;
  /** Why an engine may not start although it is down. */
  readonly #unjudged = new Map<string, string>();
  #closed = false;

  constructor(options: EngineRestorerOptions) {
    this.#options = options;
  }

  /** Why the engine may not start yet, or `undefined`. */
  blocked(id: string): string | undefined {
    return this.#unjudged.get(id);
  }

  close(): void {
    this.#closed = true;
  }

  storeOf(id: string): EngineStore {
    const { stateDir, bootId, context } = this.#options;
    return new EngineStore(stateDir, id, bootId, context.logger);
  }

  /** Engines that have a directory. */
  idsOnDisk(): string[] {
    try {
      return readdirSync(join(this.#options.stateDir, 'engines')).filter((id) => engineIdPattern.test(id));
    } catch {
      return [];
    }
  }

  /** `config` is `null` for an engine that is not configured any more. Resolves after the first look at a run that goes on. */
  async restore(id: string, config: SupervisedEngineConfig | null): Promise<void> {
    const { context, hasTemplate, supervise } = this.#options;
    const store = this.storeOf(id);
    const stored = store.read(context.metrics);
    const record = config ? recordOf(config, stored) : stored;
    // Without a configuration and without a usable record nobody knows what it was; its processes are still ended.
    const usable = record ?? { ...emptyRecord('', []), dynamic: true };
    let run: EngineRun | null = null;
    let unjudged: unknown = null;
    try {
      run = await adoptEngine(context, store, usable, id);
    } catch (error) {
      unjudged = error;
    }
    if (!config) {
      // What is neither configured nor startable any more is only taken over to be ended in order.
      if (!usable.dynamic || !hasTemplate(usable.template)) usable.wanted = 'stopped';
      usable.dynamic = true;
      if (!run && usable.wanted === 'stopped') return;
    }
    const engine = supervise(id, store, usable);
    if (unjudged !== null) this.#judgeLater(engine, store, messageOf(unjudged));
    if (!run) return;
    context.metrics.adopted();
    await Promise.race([engine.adopt(run), sleep(context.clock, firstLookMs)]);
  }

  #judgeLater(engine: EngineSupervisor, store: EngineStore, reason: string): void {
    const { context } = this.#options;
    const { clock, logger, settings } = context;
    logger.error({ engine: engine.id, reason }, 'the run before could not be judged; the engine stays down');
    this.#unjudged.set(engine.id, reason);
    clock.after(settings.stuckRecheckMs, () => {
      if (this.#closed) return;
      adoptEngine(context, store, engine.record, engine.id).then(
        (run) => {
          this.#unjudged.delete(engine.id);
          if (run) void engine.adopt(run);
          else engine.reconcile();
        },
        (error: unknown) => this.#judgeLater(engine, store, messageOf(error)),
      );
    });
  }
}
