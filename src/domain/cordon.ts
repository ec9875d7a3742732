/**
 * A cordon is a set of (holder, reason, since) on a node, a device or an engine. Each holder adds and removes
 * only its own entry, so an operator's uncordon never lifts a health cordon. Eligible means: all three sets empty.
 */
export interface Cordon {
  /** `operator:<name>`, `health:<check>`, `kubernetes` or `driver-release`. */
  holder: string;
  reason: string;
  /** Wall time in ms, for display only. */
  sinceMs: number;
}

export const cordonHolderPattern = /^(operator:[\w.@-]{1,64}|health:[\w.-]{1,64}|kubernetes|driver-release)$/;

export function addCordon(set: readonly Cordon[], cordon: Cordon): Cordon[] {
  return set.some((c) => c.holder === cordon.holder) ? [...set] : [...set, cordon];
}

export function removeCordon(set: readonly Cordon[], holder: string): Cordon[] {
  return set.filter((c) => c.holder !== holder);
}
