import type { EngineStep } from './scheduler.js';

/**
 * How long one engine step takes, in simulated milliseconds. The defaults stand for an 8B model on one H100: prefill at
 * 15k tokens/s, 7.5 ms for a decode step of one sequence, about 22 ms for 256, plus the time to read the KV cache
 * (128 KiB a token at 3.35 TB/s).
 */
export interface StepCost {
  prefillTokensPerSecond: number;
  decodeBaseMs: number;
  decodePerSequenceMs: number;
  contextTokenMs: number;
}

export const defaultStepCost: StepCost = {
  prefillTokensPerSecond: 15_000,
  decodeBaseMs: 7.5,
  decodePerSequenceMs: 0.055,
  contextTokenMs: 4e-5,
};

/** Example: 64 decodes at 1,000 tokens each = 7.5 + 3.5 + 2.6 = 13.6 ms; a 7,500-token prefill alone = 500 ms. */
export function stepMs(step: EngineStep, cost: StepCost): number {
  const prefillMs = (step.prefillTokens / cost.prefillTokensPerSecond) * 1000;
  const decodeMs = step.decodes > 0 ? cost.decodeBaseMs + step.decodes * cost.decodePerSequenceMs : 0;
  return Math.max(1, prefillMs + decodeMs + step.contextTokens * cost.contextTokenMs);
}
