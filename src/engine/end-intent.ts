/** Why and how a run is to end. */
import type { TemplateConfig } from '../config/agent-config.js';
import type { EngineSettings } from './engine-context.js';
import type { ExitCause } from './explain-exit.js';
import type { Hold } from './hold-engine.js';

/** Smallest first: `evict` is for work that is lost anyway. */
const urgencies = ['drain', 'stop', 'evict'] as const;

export interface EndIntent {
  urgency: (typeof urgencies)[number];
  reason: string;
  /** How long running requests are waited for, ms. */
  drainMs: number;
  /** SIGTERM to SIGKILL, ms. */
  graceMs: number;
  /** Reason of the state `stopped` that follows. */
  stoppedReason: string;
  /** Set when the run ends because it failed: a new one follows. */
  failure: ExitCause | null;
  /** Done while the processes still stand; bounded by itself. */
  beforeSignal?: () => Promise<void>;
}

export function isMoreUrgent(a: EndIntent, b: EndIntent): boolean {
  return urgencies.indexOf(a.urgency) > urgencies.indexOf(b.urgency);
}

/** Intents with the times of the engine's template. */
export class IntentMaker {
  readonly #template: () => TemplateConfig;
  readonly #settings: EngineSettings;

  constructor(template: () => TemplateConfig, settings: EngineSettings) {
    this.#template = template;
    this.#settings = settings;
  }

  stop(reason: string, stoppedReason: string): EndIntent {
    const graceMs = this.#template().stopGraceMs;
    return { urgency: 'stop', reason, drainMs: 0, graceMs, stoppedReason, failure: null };
  }

  /** `null`: the template's deadline. */
  drain(reason: string, stoppedReason: string, deadlineMs: number | null): EndIntent {
    const drainMs = deadlineMs ?? this.#template().drainTimeoutMs;
    return { ...this.stop(reason, stoppedReason), urgency: 'drain', drainMs };
  }

  evict(reason: string): EndIntent {
    const graceMs = Math.min(this.#settings.evictGraceMs, this.#template().stopGraceMs);
    return { urgency: 'evict', reason, drainMs: 0, graceMs, stoppedReason: reason, failure: null };
  }

  hold({ kind, reason }: Hold): EndIntent {
    return kind === 'evict' ? this.evict(reason) : this.drain(reason, reason, null);
  }
}
