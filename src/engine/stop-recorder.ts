/** Records the end of a run: each step, whether it was proven, how long it took. */
import type { StopOutcome, StopReport, StopStep } from '../domain/engine-death.js';
import type { Clock } from '../runtime/clock.js';

export class StopRecorder {
  readonly steps: StopStep[] = [];
  readonly #clock: Clock;
  readonly #beganMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beganMs = clock.monotonicMs();
  }

  /** Runs one step; it answers whether it is proven, and a detail. */
  async run(
    step: StopStep['step'],
    work: () => Promise<[proven: boolean, detail: string]>,
  ): Promise<boolean> {
    const fromMs = this.#clock.monotonicMs();
    const [proven, detail] = await work();
    this.steps.push({ step, proven, detail, tookMs: Math.round(this.#clock.monotonicMs() - fromMs) });
    return proven;
  }

  report(outcome: StopOutcome, detail = ''): StopReport {
    const tookMs = this.#clock.monotonicMs() - this.#beganMs;
    return { outcome, detail, tookMs, steps: this.steps };
  }
}
