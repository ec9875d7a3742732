/**
 * Liveness is progress, not a 200 (design decision 5): `/health` of a hung vLLM stays 200 and its numbers freeze. An engine is
 * stuck when work waits, the step counter has stood still for the watchdog time, and one more sign says so. Pure: it is
 * handed what was seen at a moment and answers what that means.
 *
 * Must stay true: a page that could not be read proves nothing, and a counter that moved clears everything. So a saturated
 * engine that answers late is never taken for a hung one.
 */

/** What was seen of one engine at one moment. */
export interface ProgressLook {
  nowMs: number;
  /** Requests that coordinators have placed there. In a wedge the engine's own numbers may read 0. */
  leases: number;
  /** `null`: the page was late or could not be read. */
  page: { steps: number | null; running: number; waiting: number; asleep: boolean } | null;
  /** CPU time of the server's process so far, ms; `null` when unknown. Speaks where no page can be read. */
  cpuMs: number | null;
  /** How long the canary request has been unanswered, ms; `null` when none is under way. */
  canaryPendingMs: number | null;
  /** Other signs, one phrase each: power near idle at full utilisation, broadcast warnings, a missed GPU heartbeat. */
  signs: readonly string[];
}

export type ProgressVerdict =
  | { kind: 'idle' }
  | { kind: 'moving' }
  /** Work waits and nothing moves. `suspicious`: for so long that a canary request is worth its price. */
  | { kind: 'still'; forMs: number; suspicious: boolean }
  | { kind: 'stuck'; reason: string };

/** The canary is sent at half the watchdog time, so at its end it has been unanswered for longer than this share. */
const canaryShare = 1 / 3;
const suspicionShare = 1 / 2;
/** A server that hangs uses no processor; one that is too busy to answer uses a whole one. */
const idleCpuShare = 0.02;

export class ProgressWatchdog {
  readonly #limitMs: number;
  #steps: number | null = null;
  #work = 0;
  /** The latest moment at which it moved or had nothing to do. */
  #sinceMs: number | null = null;
  #cpuMs: number | null = null;

  /** @param limitMs the watchdog time */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  look(look: ProgressLook): ProgressVerdict {
    const { page, nowMs } = look;
    if (page) this.#work = page.running + page.waiting;
    const waiting = Math.max(look.leases, this.#work);
    if (waiting === 0 || page?.asleep) return this.#restart(look, 'idle');
    if (this.#sinceMs === null || this.#moved(page?.steps ?? null)) return this.#restart(look, 'moving');
    const forMs = nowMs - this.#sinceMs;
    const suspicious = forMs >= this.#limitMs * suspicionShare;
    const still = { kind: 'still', forMs, suspicious } as const;
    if (forMs < this.#limitMs || !this.#provenStill(look, forMs)) return still;
    const signs = this.#signsOf(look);
    if (signs.length === 0) return still;
    const seconds = Math.round(forMs / 1000);
    const what = page ? 'no step' : 'no step, no answer and no CPU time used';
    return {
      kind: 'stuck',
      reason: `hung: ${what} for ${seconds} s with ${waiting} request${waiting === 1 ? '' : 's'} waiting; ${signs.join('; ')}`,
    };
  }

  /** A counter that went back belongs to a new server, which is movement too. */
  #moved(steps: number | null): boolean {
    return steps !== null && this.#steps !== null && steps !== this.#steps;
  }

  #restart({ nowMs, page, cpuMs }: ProgressLook, kind: 'idle' | 'moving'): ProgressVerdict {
    this.#sinceMs = nowMs;
    this.#steps = page?.steps ?? this.#steps;
    this.#cpuMs = cpuMs;
    return { kind };
  }

  /** The counter was read and is where it was; or nothing can be read and the server uses no CPU at all. */
  #provenStill({ page, cpuMs }: ProgressLook, forMs: number): boolean {
    if (page) return page.steps !== null && page.steps === this.#steps;
    return cpuMs !== null && this.#cpuMs !== null && cpuMs - this.#cpuMs < forMs * idleCpuShare;
  }

  #signsOf({ canaryPendingMs, signs }: ProgressLook): string[] {
    const unanswered = canaryPendingMs !== null && canaryPendingMs >= this.#limitMs * canaryShare;
    return [
      ...(unanswered
        ? [`a one-token request is unanswered for ${Math.round(canaryPendingMs / 1000)} s`]
        : []),
      ...signs,
    ];
  }
}
