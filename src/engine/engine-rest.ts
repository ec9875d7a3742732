/**
 * Whether a running engine serves or rests, for its supervisor: falls asleep after a drain, wakes by a check and a first
 * token, and remembers on disk that it rests, so that one that is found asleep is not sent requests. A standby engine goes to
 * rest by itself as soon as it is ready, and serves after it has been promoted.
 */
import type { TemplateConfig } from '../config/agent-config.js';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import type { EngineContext } from './engine-context.js';
import { engineWrongState } from './engine-errors.js';
import type { EngineRecord } from './engine-record.js';
import { EngineSleep, whyNoSleep, type SleepLevel } from './engine-sleep.js';
import type { EngineView } from './engine-view.js';
import { adapterOf } from './engine-adapters.js';
import type { LiveRun } from './live-run.js';

export interface EngineRestOptions {
  record: EngineRecord;
  context: EngineContext;
  view: EngineView;
  template: () => TemplateConfig;
  /** The present run, or `null`. */
  live: () => LiveRun | null;
  save: () => void;
  /** For a cold standby: start it, or drain and stop it. */
  serve: () => void;
  end: () => void;
  /** The engine is of no use any more. */
  onBroken: (live: LiveRun, reason: string) => void;
}

/** Reading the weights anew is the longest part. */
const wakeLimitMs = 600_000;

export class EngineRest {
  readonly #options: EngineRestOptions;

  constructor(options: EngineRestOptions) {
    this.#options = options;
  }

  /** It answers now: true when it rests or goes to rest instead of serving. */
  noteReady(live: LiveRun): boolean {
    const { record, view } = this.#options;
    if (record.asleep) view.show('asleep', describe(record.asleep), { evicting: false });
    else if (record.standby === 'warm' && !record.promoted)
      void this.#fallAsleep(live, this.#template.sleep?.level ?? 1, 'standby: goes to rest', 'starting');
    else return false;
    return true;
  }

  /** A launch begins: what was asleep is gone. */
  noteLaunch(): void {
    delete this.#options.record.asleep;
  }

  /** Throws `engine-wrong-state`; answers when the drain has begun. */
  sleep(level: SleepLevel | null): void {
    const { view, record } = this.#options;
    const live = this.#options.live();
    if (!live || view.status.state !== 'ready' || live.end.intent)
      throw engineWrongState(view.status, 'be ready');
    const why = whyNoSleep(this.#template, live.run.url);
    if (why !== null)
      throw new InfernodeError('engine-wrong-state', `engine "${view.status.id}" cannot sleep: ${why}`);
    record.promoted = false;
    void this.#fallAsleep(live, level ?? this.#template.sleep?.level ?? 1, 'falls asleep', 'draining');
  }

  /** Throws `engine-wrong-state`; answers when the waking has begun. */
  wake(): void {
    const { view, record } = this.#options;
    const live = this.#options.live();
    if (!live || view.status.state !== 'asleep' || !record.asleep || live.end.intent)
      throw engineWrongState(view.status, 'be asleep');
    void this.#wake(live, record.asleep);
  }

  /** What a promotion means depends on where the standby is; a cold one is started and stopped. */
  promote(promoted: boolean): void {
    const { record, view, save, serve, end } = this.#options;
    if ((record.promoted ?? false) === promoted) return;
    record.promoted = promoted;
    save();
    const { state } = view.status;
    if (record.standby === 'cold') (promoted ? serve : end)();
    else if (promoted && state === 'asleep') this.wake();
    else if (!promoted && state === 'ready') this.sleep(null);
  }

  get #template(): TemplateConfig {
    return this.#options.template();
  }

  async #fallAsleep(
    live: LiveRun,
    level: SleepLevel,
    reason: string,
    by: 'draining' | 'starting',
  ): Promise<void> {
    const { record, view, save, onBroken, template } = this.#options;
    view.show(by, reason, { evicting: false });
    try {
      if (by === 'draining')
        await live.drain(template().drainTimeoutMs, (left) =>
          view.show(by, `${reason}; ${left ?? 'unknown'} requests left`),
        );
      if (!live.serves) return;
      await this.#sleepOf(live).fallAsleep(level);
      record.asleep = level;
      save();
      if (live.serves) view.show('asleep', describe(level), { load: null });
    } catch (error) {
      if (live.serves) onBroken(live, `it did not fall asleep: ${messageOf(error)}`);
    }
  }

  async #wake(live: LiveRun, level: SleepLevel): Promise<void> {
    const { record, view, save, onBroken, context } = this.#options;
    const stop = new AbortController();
    const limit = context.clock.after(wakeLimitMs, () => stop.abort());
    const fromMs = context.clock.monotonicMs();
    view.show('starting', 'wakes up');
    try {
      await this.#sleepOf(live).wake(level, AbortSignal.any([stop.signal, live.ended]));
      delete record.asleep;
      save();
      if (!live.serves) return;
      context.metrics.woke(view.status.id, context.clock.monotonicMs() - fromMs);
      view.show('ready', '', { evicting: false });
    } catch (error) {
      if (live.serves) onBroken(live, `it did not wake up: ${messageOf(error)}`);
    } finally {
      limit.cancel();
    }
  }

  #sleepOf(live: LiveRun): EngineSleep {
    const template = this.#template;
    const model = adapterOf(template).servedModels(template)[0] ?? template.model;
    return new EngineSleep(live.probe, model, this.#options.context.clock);
  }
}

function describe(level: SleepLevel): string {
  return level === 1 ? 'asleep, weights in host memory' : 'asleep, weights dropped';
}
