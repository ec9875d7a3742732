/**
 * Replaces lost engines by standby ones of the same template. An engine is lost when it is wanted, has served, and does not
 * serve now: crashed, hung, held by a sick device. For each lost one a standby is promoted, warm ones before cold ones; when
 * fewer are lost for a while, the last promoted goes back to rest. What an operator stops is not lost.
 */
import type { EngineStatus } from '../domain/engine.js';
import type { Clock, Timer } from '../runtime/clock.js';

/** What the rule needs of an engine; typed by the supervisor. */
export interface StandbyMember {
  readonly id: string;
  readonly status: Pick<EngineStatus, 'state' | 'evicting' | 'template'>;
  readonly record: { wanted: 'running' | 'stopped'; standby?: 'warm' | 'cold' | null; promoted?: boolean };
  readonly rest: { promote(promoted: boolean): void };
}

export interface StandbyOptions {
  members: () => readonly StandbyMember[];
  clock: Clock;
  /** A lost engine that serves again must do so for this long before its standby goes. */
  returnMs: number;
  onPromoted: (id: string, promoted: boolean) => void;
}

export class StandbyRule {
  readonly #options: StandbyOptions;
  /** Engines that have served. */
  readonly #served = new Set<string>();
  readonly #returning = new Map<string, Timer>();
  #running = false;
  #again = false;

  constructor(options: StandbyOptions) {
    this.#options = options;
  }

  /** To be called after every change of an engine; a promotion is such a change itself. */
  apply(): void {
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = true;
    try {
      do {
        this.#again = false;
        const templates = new Set(this.#options.members().map(({ status }) => status.template));
        for (const template of templates) this.#applyTo(template);
      } while (this.#again);
    } finally {
      this.#running = false;
    }
  }

  close(): void {
    for (const timer of this.#returning.values()) timer.cancel();
    this.#returning.clear();
  }

  #applyTo(template: string | null): void {
    const members = this.#options.members().filter(({ status }) => status.template === template);
    const standbys = members.filter(({ record }) => record.standby);
    if (standbys.length === 0) return;
    const lost = members.filter((member) => !member.record.standby && this.#isLost(member)).length;
    const promoted = standbys.filter(({ record }) => record.promoted);
    if (lost > promoted.length) {
      this.#cancelReturn(template);
      const ready = standbys.filter(isAvailable).sort((a, b) => rank(a) - rank(b));
      if (ready[0]) this.#promote(ready[0], true);
    } else if (lost < promoted.length) this.#returnLater(template, promoted.at(-1)!);
    else this.#cancelReturn(template);
  }

  #isLost({ id, status, record }: StandbyMember): boolean {
    if (status.state === 'ready') {
      this.#served.add(id);
      return false;
    }
    return record.wanted === 'running' && this.#served.has(id);
  }

  #returnLater(template: string | null, member: StandbyMember): void {
    const key = template ?? '';
    if (this.#returning.has(key)) return;
    const { clock, returnMs } = this.#options;
    const timer = clock.after(returnMs, () => {
      this.#returning.delete(key);
      this.#promote(member, false);
      this.apply();
    });
    this.#returning.set(key, timer);
  }

  #cancelReturn(template: string | null): void {
    this.#returning.get(template ?? '')?.cancel();
    this.#returning.delete(template ?? '');
  }

  #promote(member: StandbyMember, promoted: boolean): void {
    member.rest.promote(promoted);
    this.#options.onPromoted(member.id, promoted);
  }
}

function isAvailable({ status, record }: StandbyMember): boolean {
  if (record.promoted) return false;
  return record.standby === 'cold' ? status.state === 'stopped' : status.state === 'asleep';
}

function rank({ record }: StandbyMember): number {
  return record.standby === 'warm' ? 0 : 1;
}
