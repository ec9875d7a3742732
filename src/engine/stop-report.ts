/** What is told of the end of a run: each step, whether it was proven, how long it took. */
import type { Clock } from '../runtime/clock.js';

export type StopOutcome = 'clean' | 'killed' | 'processes-stuck' | 'device-stuck';

/** In this order; a run that died by itself begins at `tree-empty`. */
export const stopSteps = [
  'drain',
  'terminate',
  'kill',
  'tree-empty',
  'memory-free',
  'shared-memory',
  'port-free',
] as const;

export interface StopStep {
  step: (typeof stopSteps)[number];
  proven: boolean;
  /** By what means, or what is left. */
  detail: string;
  tookMs: number;
}

export interface StopReport {
  outcome: StopOutcome;
  /** One sentence when something is stuck, else empty. */
  detail: string;
  tookMs: number;
  steps: StopStep[];
}

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
