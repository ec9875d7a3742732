/**
 * The cordons of one device. Health sets and removes its own (`health:<check>`) with the conditions that take a device out
 * of service; operators and the driver's release set theirs through the API, and those are kept on disk. Nobody removes
 * another holder's entry, except that an operator may lift `health:<check>`, which acknowledges the condition itself.
 */
import { addCordon, removeCordon, type Cordon } from '../domain/cordon.js';
import { healthOfCondition } from './derive-health.js';
import type { HeldCondition } from './condition-book.js';

/** Unhealthy, or the fault itself asked for "no new work". */
export function isolates({ condition, drainNow }: HeldCondition): boolean {
  return drainNow || healthOfCondition(condition) === 'unhealthy';
}

/** One entry per check, with the reason of its worst condition. */
export function healthCordons(held: readonly HeldCondition[]): Cordon[] {
  return held.filter(isolates).reduce<Cordon[]>(
    (set, { condition }) =>
      addCordon(set, {
        holder: `health:${condition.check}`,
        reason: condition.reason,
        sinceMs: condition.sinceMs,
      }),
    [],
  );
}

/** The check that a holder of health stands for, or `null` for every other holder. */
export function checkOfHolder(holder: string): string | null {
  return holder.startsWith('health:') ? holder.slice('health:'.length) : null;
}

/** Entries of everybody but health. */
export class DeviceCordons {
  #set: readonly Cordon[] = [];

  constructor(stored: readonly Cordon[] = []) {
    this.#set = stored.filter((cordon) => checkOfHolder(cordon.holder) === null);
  }

  get set(): readonly Cordon[] {
    return this.#set;
  }

  /** A second cordon of one holder changes nothing: the first reason and time stand. */
  add(cordon: Cordon): void {
    this.#set = addCordon(this.#set, cordon);
  }

  /** Idempotent. */
  remove(holder: string): void {
    this.#set = removeCordon(this.#set, holder);
  }
}
