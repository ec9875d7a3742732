/**
 * What is remembered of the bad ends of one engine: the cause of the present one, a journal of the earlier ones, and how long
 * the next start waits. The supervisor asks it; it decides nothing about processes.
 *
 * The wait grows with new causes only: an end by an incident that has been counted, such as the same Xid a second time, is
 * its echo. After some failures in a row the engine is in a crash loop: it is tried seldom, and says so.
 */
import type { DeathRecord, EngineDeath, StopReport } from '../domain/engine-death.js';
import type { Fault } from '../domain/health.js';
import type { EngineContext } from './engine-context.js';
import type { EngineRun } from './engine-run.js';
import { explainGone, type ExitCause } from './explain-exit.js';
import type { DeathJournal } from './death-journal.js';
import type { PlacedRequest } from './engine-inputs.js';
import { joinFault } from './recent-faults.js';
import { RestartBackoff } from './restart-backoff.js';

/** Failures in a row, and of those that another try cannot mend, after which an engine counts as looping. */
const loopAfter = 5;
const hopelessLoopAfter = 3;
const hopeless = ['config', 'model-not-found'];
/** Ids on the wire and on disk. */
const maxLostWork = 256;

/** An engine that has just died, before its processes are gone. */
interface Dying {
  run: EngineRun;
  cause: ExitCause;
  atMs: number;
  atUnixMs: number;
  lost: readonly PlacedRequest[];
}

export class FailureBook {
  /** The cause of the end that has happened or is under way; `null` after a launch. */
  cause: ExitCause | null = null;
  readonly #id: string;
  readonly #context: EngineContext;
  readonly #journal: DeathJournal;
  readonly #backoff: RestartBackoff;
  #dying: Dying | null = null;
  #countedFault: Fault | null = null;
  #looping = false;

  constructor(id: string, context: EngineContext, journal: DeathJournal) {
    const { backoffBaseMs, backoffCapMs, stableMs } = context.settings;
    this.#id = id;
    this.#context = context;
    this.#journal = journal;
    this.#backoff = new RestartBackoff(
      { baseMs: backoffBaseMs, capMs: backoffCapMs, stableMs },
      context.clock,
    );
  }

  /** True while the next start waits for its time. */
  get waiting(): boolean {
    return this.#backoff.waiting;
  }

  get looping(): boolean {
    return this.#looping;
  }

  /** The moment of a death: what is in flight now is lost. The first cause holds; the log may say more of it. */
  noteDeath(run: EngineRun, cause: ExitCause): ExitCause {
    if (this.#dying?.run === run) return this.#dying.cause;
    const { clock, inputs, logger } = this.#context;
    const explained = cause.class === 'unknown' ? explainGone(cause, run.runDir) : cause;
    this.#dying = {
      run,
      cause: explained,
      atMs: clock.monotonicMs(),
      atUnixMs: clock.wallMs(),
      lost: inputs.workOn(this.#id).slice(0, maxLostWork),
    };
    this.cause = this.#join(this.#dying).cause;
    const { incarnation, exit } = run;
    logger.error({ engine: this.#id, incarnation, exit, cause: this.cause }, 'engine is lost');
    return this.cause;
  }

  /**
   * The processes of a failed run are gone: writes it down with all that has become known since. `cause` is for a run that
   * nobody saw dying. Answers what others are told of it.
   */
  close(run: EngineRun, cause: ExitCause, readyForMs: number | null, report: StopReport | null): EngineDeath {
    if (this.#dying?.run !== run) this.noteDeath(run, cause);
    const dying = this.#dying!;
    const joined = this.#join(dying);
    this.cause = joined.cause;
    this.#dying = null;
    const requests = dying.lost.map(({ requestId }) => requestId);
    const death: EngineDeath = {
      incarnation: String(run.incarnation),
      cause: joined.cause.class,
      reason: joined.cause.text,
      atMs: dying.atUnixMs,
      lostWork: dying.lost.map(({ leaseId }) => leaseId),
      suspectedPoison: this.#context.poison.noteDeath(requests),
    };
    const entry: DeathRecord = {
      ...death,
      exit: run.exit && { code: run.exit.code, signal: run.exit.signal },
      readyForMs,
      stop: report,
    };
    this.#journal.append(entry);
    this.#count(joined.fault, readyForMs);
    return death;
  }

  /** A start that did not even become a run. */
  noteFailedStart(cause: ExitCause, incarnation: number): void {
    this.cause = cause;
    this.#journal.append({
      incarnation: String(incarnation),
      cause: cause.class,
      reason: cause.text,
      atMs: this.#context.clock.wallMs(),
      lostWork: [],
      suspectedPoison: [],
      exit: null,
      readyForMs: null,
      stop: null,
    });
    this.#count(null, null);
  }

  /** Calls back when the next start may be; answers what to say of it. */
  scheduleNext(readyForMs: number | null, callback: () => void): string {
    const { crashLoopRetryMs } = this.#context.settings;
    const waitMs = this.#backoff.schedule(readyForMs, callback, this.#looping ? crashLoopRetryMs : null);
    const next = waitMs === 0 ? '' : `; next start in ${(waitMs / 1000).toFixed(1)} s`;
    return this.#looping ? `; crash loop after ${this.#backoff.failures} failures in a row${next}` : next;
  }

  /** Nothing is waited for any more. */
  cancelWait(): void {
    this.#backoff.cancel();
  }

  /** Earlier failures no longer count: somebody has done something about them. */
  forgive(): void {
    this.#backoff.reset();
    this.#looping = false;
  }

  flush(): Promise<void> {
    return this.#journal.flush();
  }

  #join({ run, cause, atMs }: Dying): { cause: ExitCause; fault: Fault | null } {
    const fault = this.#context.faults.nearest({ deviceUuids: run.deviceUuids, pids: run.pids, atMs });
    return { cause: joinFault(cause, fault), fault };
  }

  #count(fault: Fault | null, readyForMs: number | null): void {
    const echo = fault !== null && fault === this.#countedFault;
    this.#countedFault = fault;
    this.#backoff.count(readyForMs, !echo);
    const limit = hopeless.includes(this.cause?.class ?? '') ? hopelessLoopAfter : loopAfter;
    this.#looping = this.#backoff.failures >= limit;
  }
}
