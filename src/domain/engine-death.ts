/** How an engine died, and how it was brought to its proven end. */

/** An end that nobody asked for, in one line and with what it took along. */
export interface EngineDeath {
  incarnation: string;
  /** Class of the cause, such as `out-of-memory` or `cuda-error`. */
  cause: string;
  /** One sentence. */
  reason: string;
  /** Wall time, for display. */
  atMs: number;
  /** Leases that were in flight, as `coordinator/lease`. */
  lostWork: string[];
  /** Requests that were in flight at two deaths on this node. */
  suspectedPoison: string[];
}

/** A death with everything that is kept of it. */
export interface DeathRecord extends EngineDeath {
  exit: { code: number | null; signal: string | null } | null;
  /** `null`: it never served. */
  readyForMs: number | null;
  stop: StopReport | null;
}

export const stopOutcomes = ['clean', 'killed', 'processes-stuck', 'device-stuck'] as const;
export type StopOutcome = (typeof stopOutcomes)[number];

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
