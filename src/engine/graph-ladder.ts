/**
 * How an engine gives up CUDA graphs step by step when their capture fails or memory runs out (contract 6): fewer sizes, then
 * fewer kinds, then none. A step is taken down only, and undone only by a new configuration: going back by itself would fail again.
 */
import { startPhases, type StartPhase } from '../domain/engine.js';
import type { ExitCause } from './explain-exit.js';
import { compareVersions } from './plan/compare-versions.js';
import { valuesOf } from './vllm-flags.js';

export const ladderSteps = ['as configured', 'fewer sizes', 'fewer kinds', 'eager'] as const;
export const lastStep = ladderSteps.length - 1;

export interface FailedStart {
  cause: ExitCause;
  /** How far the start had come; an engine that served is at `serving`. */
  phase: StartPhase;
  /** What was being captured. */
  part: string;
}

const reached = (phase: StartPhase, other: StartPhase): boolean =>
  startPhases.indexOf(phase) >= startPhases.indexOf(other);

/** Would fewer graphs have helped? A capture that failed, or memory that ran out once its size was being decided. */
export function isGraphFailure({ cause, phase }: FailedStart): boolean {
  if (cause.class === 'out-of-memory') return reached(phase, 'profiling');
  // A capture that fails at its first kernel may leave no bar behind.
  const capturing = phase === 'graphs' || (phase === 'kv-cache' && /captur/i.test(cause.text));
  return capturing && ['cuda-error', 'unknown', 'config', 'nccl-timeout'].includes(cause.class);
}

/** Modes of capture came with 0.11; before that only eager is left. */
export function nextStep(step: number, version: string | null): number {
  const hasModes = version === null || compareVersions(version, '0.11') >= 0;
  return step === 1 && !hasModes ? lastStep : Math.min(lastStep, step + 1);
}

/**
 * Arguments to be put behind the template's, in the words of the newest release. `failedPart` is what was being captured:
 * when the full graphs failed, the piecewise ones are kept, else those for decoding only.
 */
export function ladderArgs(
  step: number,
  template: readonly string[],
  sizes: readonly number[],
  failedPart: string,
): string[] {
  if (step === 0) return [];
  if (step >= lastStep) return ['--enforce-eager'];
  const fewer = ['--cudagraph-capture-sizes', ...sizes.map(String)];
  if (step === 1) return fewer;
  const mode = /FULL/.test(failedPart) ? 'PIECEWISE' : 'FULL_DECODE_ONLY';
  return [
    ...fewer,
    '--compilation-config',
    JSON.stringify({ ...compilationOf(template), cudagraph_mode: mode }),
  ];
}

/** What the template says in JSON goes on: of two such flags only the last one counts. */
function compilationOf(template: readonly string[]): Record<string, unknown> {
  const [text] = valuesOf(template, '--compilation-config', '-cc') ?? [];
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** `CUDA graphs: fewer sizes (step 1 of 3)`, empty at step 0. */
export function describeStep(step: number): string {
  return step === 0 ? '' : `CUDA graphs: ${ladderSteps[step] ?? 'eager'} (step ${step} of ${lastStep})`;
}
