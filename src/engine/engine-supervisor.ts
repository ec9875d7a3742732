/**
 * Supervises one engine: starting -> ready -> draining -> stopped | failed. Wishes (start, stop, drain, a bad device, a
 * fault) are taken at once and show at once; one task at a time, a launch or the end of a run, carries them out, and
 * `reconcile` looks at what is wished when it is done. So wishes may come in any order and at any moment.
 *
 * Must stay true: never two runs of one engine; no start before the last run is proven to be gone; an end that nobody asked
 * for is a crash, whatever its exit code.
 */
import type { TemplateConfig } from '../config/agent-config.js';
import type { EngineStatus } from '../domain/engine.js';
import { messageOf } from '../domain/error-codes.js';
import { sleep } from '../runtime/clock.js';
import { EngineDegradation } from './engine-degradation.js';
import { effectiveTemplate } from './effective-template.js';
import { IntentMaker, type EndIntent } from './end-intent.js';
import { adapterOf } from './engine-adapters.js';
import { DeathJournal } from './death-journal.js';
import type { EngineContext } from './engine-context.js';
import { causeOfRefusal, engineWrongState } from './engine-errors.js';
import type { EngineRecord } from './engine-record.js';
import type { EngineSupervisorOptions } from './engine-supervisor-options.js';
import type { EngineRun, RunExit } from './engine-run.js';
import { EngineRest } from './engine-rest.js';
import { EngineView, statusOfRecord } from './engine-view.js';
import { explainExit, type ExitCause } from './explain-exit.js';
import { FailureBook } from './failure-book.js';
import type { Hold } from './hold-engine.js';
import { KeptRecord } from './kept-record.js';
import { LiveRun } from './live-run.js';
import { EngineStarts } from './prepare-start.js';
import { showRun } from './show-run.js';
import type { StopReport } from '../domain/engine-death.js';
import { TaskSlot } from './task-slot.js';
import { stacksBeforeSignal } from './take-stacks.js';

export class EngineSupervisor {
  readonly id: string;
  /** Sleep, wake and promotion. */
  readonly rest: EngineRest;
  readonly #options: EngineSupervisorOptions;
  readonly #context: EngineContext;
  readonly #view: EngineView;
  readonly #failures: FailureBook;
  readonly #intents: IntentMaker;
  readonly #starts: EngineStarts;
  readonly #kept: KeptRecord;
  readonly #degradation: EngineDegradation;
  /** What of a run's news only shows. */
  readonly #shown: ReturnType<typeof showRun>;
  #live: LiveRun | null = null;

  /** The launch or the end of a run that is under way. */
  readonly #task = new TaskSlot(() => this.reconcile());
  /** Came while a launch was under way. */
  #early: EndIntent | null = null;
  #hold: Hold | null = null;
  #ending: 'no' | 'stopping' | 'closed' = 'no';

  constructor(options: EngineSupervisorOptions) {
    const { id, context, record, store, template } = options;
    this.id = id;
    this.#options = options;
    this.#context = context;
    this.#failures = new FailureBook(id, context, new DeathJournal(store.directory));
    this.#starts = new EngineStarts(id, context, store);
    this.#intents = new IntentMaker(template, context.settings);
    const { maxConcurrentRequests } = template();
    const status = {
      ...statusOfRecord(id, record, this.#models(template()), context.clock),
      maxConcurrentRequests,
    };
    this.#view = new EngineView(status, context.clock, options.onChange);
    this.#kept = new KeptRecord(record, store, this.#view);
    this.#degradation = new EngineDegradation(id, context, this.#kept, template);
    const shows = { view: this.#view, starts: this.#starts, degradation: this.#degradation };
    this.#shown = showRun(id, context, shows);
    this.rest = new EngineRest({
      ...{ record, context, template, view: this.#view },
      live: () => this.#live,
      save: () => this.#kept.save(),
      serve: () => (this.#live || this.#task.busy ? this.#kept.want('running') : this.start()),
      end: () => (this.#live ? this.drain(null) : this.stop()),
      onBroken: (live, why) => this.#gone(live, { class: 'unknown', text: why }),
    });
  }

  get record(): EngineRecord {
    return this.#kept.record;
  }

  get status(): EngineStatus {
    return this.#view.status;
  }

  /** The present run, or `null`. */
  get run(): EngineRun | null {
    return this.#live?.run ?? null;
  }

  get stillForMs(): number | null {
    return this.#live?.stillForMs ?? null;
  }

  get hold(): Hold | null {
    return this.#hold;
  }

  /** Throws `engine-wrong-state` when it runs or is about to end. */
  start(): void {
    if (this.#live || this.#task.busy) throw engineWrongState(this.status, 'be stopped or failed');
    this.#kept.want('running');
    this.#failures.forgive();
    this.#kept.startsAgain = false;
    this.reconcile();
  }

  /** Idempotent. */
  stop(): void {
    this.#kept.want('stopped');
    this.#end(this.#intents.stop('stop requested', 'stopped on request'));
  }

  /** `null`: the template's deadline. Throws `engine-wrong-state` when there is nothing to drain. */
  drain(deadlineMs: number | null): void {
    if (!this.#live) throw engineWrongState(this.status, 'run');
    this.#kept.want('stopped');
    this.#end(this.#intents.drain('drain requested', 'drained on request', deadlineMs));
  }

  /** An operator's: drained by the deadline (`null`: the template's), then started again. Throws `engine-wrong-state`. */
  restartInOrder(deadlineMs: number | null): void {
    if (!this.#live) throw engineWrongState(this.status, 'run');
    this.#kept.want('running');
    this.#failures.forgive();
    this.#end(this.#intents.drain('restart requested', 'restarting on request', deadlineMs));
  }

  /** A fault wants a new process: everything in flight is lost anyway. Without a run there is nothing to do. */
  restart(reason: string): void {
    if (!this.#live || this.#live.end.intent) return;
    this.#gone(this.#live, { class: 'cuda-error', text: `restarted: ${reason}` });
  }

  /** `null` lets it run again. */
  setHold(hold: Hold | null): void {
    const before = this.#hold;
    this.#hold = hold;
    if (hold && hold.kind !== before?.kind) this.#end(this.#intents.hold(hold));
    if (hold || !before) return;
    this.#failures.forgive();
    this.#kept.startsAgain = this.record.incarnation > 0;
    this.reconcile();
  }

  updateCordons(cordons: EngineRecord['cordons']): void {
    this.#kept.updateCordons(cordons);
  }

  /** Takes over a run of an earlier agent process; resolves after the first look at it. */
  async adopt(run: EngineRun): Promise<void> {
    this.#context.ports.adopt(run.port);
    this.#starts.resume(this.#options.template(), run.deviceUuids);
    const looked = this.#attach(run, 'taken over from the agent before');
    if (this.record.wanted === 'stopped') this.stop();
    else if (this.#hold) this.#end(this.#intents.hold(this.#hold));
    await looked;
  }

  /** Brings what is toward what is wished; harmless at any time. */
  reconcile(): void {
    if (this.#task.busy || this.#ending === 'closed') return;
    if (this.#live) {
      if (this.#live.end.intent || this.#live.run.exit) this.#begin(this.#windDown.bind(this, this.#live));
      return;
    }
    const wanted = this.record.wanted === 'running' && this.#ending === 'no';
    if (!wanted || this.#hold || this.#failures.waiting) return;
    const devices = this.#options.chooseDevices();
    if ('uuids' in devices) this.#begin(() => this.#launch());
    else this.#view.blocked(devices.blocked, this.#failures.cause);
  }

  /** Ends the run and starts no other; what is wanted after the agent's next start stays. Resolves when proven, or stuck. */
  async shutDown(): Promise<void> {
    this.#ending = 'stopping';
    this.#live?.end.giveUpWaiting();
    this.#end(this.#intents.stop('the agent stops its engines', 'stopped with the agent'));
    await this.#task.idle();
  }

  /** Lets go: the engine and its keeper go on. */
  async close(): Promise<void> {
    this.#ending = 'closed';
    this.#failures.cancelWait();
    this.#live?.close();
    this.#starts.revoke();
    await Promise.all([this.#options.store.flush(), this.#failures.flush(), this.#starts.flush()]);
  }

  // Launch.

  async #launch(): Promise<void> {
    const { context, record, chooseDevices } = this.#options;
    const early = this.#takeEarly();
    if (early) return this.#view.show('stopped', early.stoppedReason);
    // Once more, up to where it shows without a wait: in the turn of the decision another engine may have chosen the same.
    const devices = chooseDevices();
    if ('blocked' in devices) return this.#view.blocked(devices.blocked, this.#failures.cause);
    const { uuids: deviceUuids } = devices;
    const template = effectiveTemplate(this.#options.template(), this.#degradation.takeArgs());
    if (this.#kept.countLaunch()) context.metrics.restarted(this.id);
    this.rest.noteLaunch();
    this.#failures.cause = null;
    this.#view.launching(record, template, this.#models(template), deviceUuids);
    try {
      const say = (waiting: string): void => this.#view.show('starting', waiting);
      const run = await this.#starts.launch({ record, template, deviceUuids }, say);
      if (run) return void this.#attach(run, 'loading');
      const revoked = this.#takeEarly();
      if (revoked) this.#view.show('stopped', revoked.stoppedReason);
    } catch (error) {
      context.logger.error({ engine: this.id, err: error }, 'engine could not be started');
      this.#early = null;
      const cause = causeOfRefusal(error);
      this.#failures.noteFailedStart(cause, record.incarnation);
      this.#failed(cause, null);
    }
  }

  /** From here on the run is watched; resolves after the first look. */
  async #attach(run: EngineRun, reason: string): Promise<void> {
    const template = this.#options.template();
    const live = new LiveRun(this.id, run, template, this.#context, {
      ...this.#shown,
      onExit: (exit) => this.#exited(live, exit),
      onReady: (afterMs) => this.#becameReady(live, afterMs),
      onHung: (why) => this.#hung(live, why),
      onGone: (why) => this.#gone(live, { class: 'unknown', text: why }),
    });
    if (this.#ending === 'closed') return live.close();
    this.#live = live;
    this.#view.runs(run, reason);
    const early = this.#takeEarly();
    const looked = live.start();
    if (early) this.#end(early);
    await looked;
  }

  #becameReady(live: LiveRun, afterMs: number): void {
    this.#context.metrics.started(this.id, afterMs);
    this.#view.update({ crashLoop: false });
    if (live.serves && !this.rest.noteReady(live)) this.#view.show('ready', '', { evicting: false });
  }

  #exited(live: LiveRun, exit: RunExit): void {
    if (this.#live !== live) return;
    if (!live.end.signalled) {
      const { text } = this.#failures.noteDeath(live.run, explainExit(exit, live.run.runDir));
      this.#view.show('failed', text, { evicting: true, pid: null, load: null });
    }
    this.reconcile();
  }

  /** What is in flight goes elsewhere at once; the stacks are taken while the processes still stand. */
  #hung(live: LiveRun, reason: string): void {
    this.#context.metrics.hung(this.id);
    this.#kept.cordonHung(reason, this.#context.clock.wallMs());
    const takeStacks = () => stacksBeforeSignal(this.id, live.run, this.#context);
    this.#gone(live, { class: 'hang', text: reason }, takeStacks);
  }

  /** It serves nobody any more although its process stands. */
  #gone(live: LiveRun, seen: ExitCause, beforeSignal?: () => Promise<void>): void {
    const failure = this.#failures.noteDeath(live.run, seen);
    this.#end({ ...this.#intents.evict(failure.text), failure, ...(beforeSignal ? { beforeSignal } : {}) });
  }

  #end(intent: EndIntent): void {
    if (this.#live) {
      if (this.#live.end.propose(intent) && !this.#live.run.exit)
        this.#view.show('draining', intent.reason, { evicting: intent.urgency === 'evict' });
    } else if (this.#task.busy) {
      this.#early = intent;
      this.#starts.revoke();
    } else {
      this.#failures.cancelWait();
      this.#view.show('stopped', intent.stoppedReason);
    }
    this.reconcile();
  }

  async #windDown(live: LiveRun): Promise<void> {
    live.stopWatching();
    const report = await live.end.carryOut();
    if (!report) return;
    if (report.detail !== '' && this.#ending === 'no') await live.end.untilUnstuck(report.detail);
    await live.readStartLog();
    if (this.#ending !== 'closed') this.#ended(live, report);
  }

  #ended(live: LiveRun, report: StopReport): void {
    const { intent } = live.end;
    const readyForMs = live.readyForMs;
    this.#kept.uncordonHung();
    this.#degradation.gone();
    this.#live = null;
    live.close();
    this.#context.ports.release(live.run.port);
    this.#view.update({ pid: null, load: null, graphs: null });
    const died = intent?.failure ?? this.#failures.cause;
    if (died) {
      const lastDeath = this.#failures.close(live.run, died, readyForMs, report);
      this.#view.update({ lastDeath });
      const failure = this.#failures.cause ?? died;
      if (!intent || intent.failure) return this.#failed(this.#starts.learnFrom(failure, live), readyForMs);
    }
    this.#starts.measured();
    const crash = died ? ` (it ${died.text})` : '';
    this.#view.show('stopped', (this.#hold?.reason ?? intent?.stoppedReason ?? 'stopped') + crash);
  }

  /** `readyForMs` is `null` for a run that never became ready. */
  #failed(cause: ExitCause, readyForMs: number | null): void {
    this.#context.metrics.crashed(this.id, cause.class);
    this.#kept.startsAgain = true;
    const wanted = this.record.wanted === 'running' && this.#ending === 'no';
    const stays = this.#hold?.reason ?? (wanted ? null : `stopped on request (it ${cause.text})`);
    const next = stays === null ? this.#failures.scheduleNext(readyForMs, () => this.reconcile()) : '';
    this.#view.failed(stays, cause.text + next, this.#failures.looping);
  }

  #begin(step: () => Promise<void>): void {
    this.#task.begin(step, (error) => {
      // A defect of ours: the engine is shown as failed instead of being forgotten, and not in a tight loop.
      this.#context.logger.error({ engine: this.id, err: error }, 'supervision failed');
      this.#view.show('failed', `internal: ${messageOf(error)}`);
      return sleep(this.#context.clock, this.#context.settings.stuckRecheckMs);
    });
  }

  #takeEarly(): EndIntent | null {
    const early = this.#early;
    this.#early = null;
    return early;
  }

  #models(template: TemplateConfig): string[] {
    return adapterOf(template).servedModels(template);
  }
}
