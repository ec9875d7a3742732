/**
 * Gives up what an engine can only give up by a start, step by step as the template lists them, and takes it back in the
 * opposite order. A step is taken when a pressure that asks for it has stood for a minute, and the next one only after a
 * start with the steps so far: before that nothing can have changed. Nothing is started for it. The steps are kept on disk,
 * for a crash under pressure is the very start that they are for.
 */
import type { TemplateConfig } from '../config/agent-config.js';
import type { DegradeStepName } from '../domain/engine.js';
import { adapterOf } from './engine-adapters.js';
import { degradeSteps } from './degrade-steps.js';
import type { EngineContext } from './engine-context.js';
import { EnginePressure } from './engine-pressure.js';
import type { KeptRecord } from './kept-record.js';
import type { MetricsAnswer } from './probe-engine.js';

type DegradationContext = Pick<EngineContext, 'clock' | 'logger' | 'inputs'>;

const standsMs = 60_000;
/** A step is taken back after this long without the pressure that asked for it. */
const calmMs = 600_000;

export class EngineDegradation {
  readonly #id: string;
  readonly #context: DegradationContext;
  readonly #kept: KeptRecord;
  readonly #template: () => TemplateConfig;
  #pressure = new EnginePressure();
  /** Steps that the present run was started with, `null` when nobody knows. */
  #applied: number | null = null;
  #calmSinceMs: number | null = null;

  constructor(id: string, context: DegradationContext, kept: KeptRecord, template: () => TemplateConfig) {
    this.#id = id;
    this.#context = context;
    this.#kept = kept;
    this.#template = template;
    this.#show();
  }

  /** Flags of the steps in force, for a launch that begins now. */
  takeArgs(): string[] {
    const steps = this.#steps();
    this.#applied = steps.length;
    this.#pressure = new EnginePressure();
    this.#calmSinceMs = null;
    return steps.flatMap((step) => degradeSteps[step].args(this.#template()));
  }

  /** `null`: the page could not be read, which says nothing. */
  look(page: MetricsAnswer | null): void {
    if (!page) return;
    const nowMs = this.#context.clock.monotonicMs();
    const { load, progress } = page;
    const { preemptions } = progress;
    const pressure = this.#pressure.look({ nowMs, load, preemptions, deviceMemory: this.#deviceMemory() });
    this.#kept.view.update({ pressure });
    this.#move(nowMs);
  }

  /** Nothing runs: nothing presses. */
  gone(): void {
    this.#pressure = new EnginePressure();
    this.#kept.view.update({ pressure: [] });
  }

  #move(nowMs: number): void {
    const steps = this.#steps();
    const next = this.#template().degradation[steps.length];
    if (next && (this.#applied ?? steps.length) === steps.length && this.#asksFor(next, nowMs, standsMs))
      return this.#set(steps.length + 1, next, 'degradation step: with the next start');
    const last = steps.at(-1);
    if (last === undefined || this.#asksFor(last, nowMs, 0)) this.#calmSinceMs = null;
    else if (nowMs - (this.#calmSinceMs ??= nowMs) >= calmMs)
      this.#set(steps.length - 1, last, 'degradation step taken back: with the next start');
  }

  /** Of its fullest device; `null` where nobody reads them, or nobody knows what the engine was told to take. */
  #deviceMemory(): { usedRatio: number; plannedRatio: number } | null {
    const template = this.#template();
    const need = adapterOf(template).memoryNeed(template, null);
    if (need === null || !('ratio' in need)) return null;
    const ratios = this.#kept.view.status.deviceUuids.flatMap((uuid) => {
      const { memoryFreeBytes: free = null, memoryTotalBytes: total = null } =
        this.#context.inputs.reading(uuid) ?? {};
      return free === null || total === null || total === 0 ? [] : [1 - free / total];
    });
    return ratios.length === 0 ? null : { usedRatio: Math.max(...ratios), plannedRatio: need.ratio };
  }

  #asksFor(step: DegradeStepName, nowMs: number, forMs: number): boolean {
    return degradeSteps[step].on.some((kind) => (this.#pressure.standsForMs(kind, nowMs) ?? -1) >= forMs);
  }

  #set(count: number, step: DegradeStepName, what: string): void {
    this.#calmSinceMs = null;
    this.#kept.record.degradeSteps = count;
    this.#kept.save();
    this.#context.logger.warn(
      { engine: this.#id, step, pressure: this.#kept.view.status.pressure, steps: this.#steps() },
      what,
    );
    this.#show();
  }

  /** A template that lists fewer now has fewer. */
  #steps(): DegradeStepName[] {
    return this.#template().degradation.slice(0, this.#kept.record.degradeSteps ?? 0);
  }

  #show(): void {
    this.#kept.view.update({ degraded: this.#steps() });
  }
}
