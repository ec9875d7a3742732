import type { PartVerdict } from './checks/device-check.js';

export type CheckState = PartVerdict['state'];

/** What each check says at present, for one question: which of them have no source here. */
export class CheckStates {
  readonly #states = new Map<string, CheckState>();
  /** Checks that nothing but the kernel log fires, while it is not read. */
  #silent: readonly string[] = [];
  /** Made of the states when somebody asks; `null` after one has changed. */
  #unsupported: readonly string[] | null = null;

  /** Checks whose source this part, driver or host does not have: neither good nor bad, and shown as such. */
  unsupported(): readonly string[] {
    this.#unsupported ??= [
      ...new Set([
        ...[...this.#states].flatMap(([id, state]) => (state === 'unsupported' ? [id] : [])),
        ...this.#silent,
      ]),
    ].sort();
    return this.#unsupported;
  }

  /** Checks that nobody evaluates and whose source is missing; empty when it is there. */
  setSilent(checks: readonly string[]): void {
    this.#silent = checks;
    this.#unsupported = null;
  }

  note(id: string, state: CheckState): void {
    if (this.#states.get(id) === state) return;
    this.#states.set(id, state);
    this.#unsupported = null;
  }

  /** Of a check that was switched off. */
  forget(id: string): void {
    if (this.#states.delete(id)) this.#unsupported = null;
  }
}
