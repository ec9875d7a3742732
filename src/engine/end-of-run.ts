/**
 * How one run is brought to its end: drained if there is time, signalled, proven to be gone. A more urgent intent replaces
 * a less urgent one while it is carried out: the fault of a GPU does not wait for a drain that an operator began.
 */
import { sleep } from '../runtime/clock.js';
import { drainEngine } from './drain-engine.js';
import { isMoreUrgent, type EndIntent } from './end-intent.js';
import type { EngineContext } from './engine-context.js';
import type { EngineRun } from './engine-run.js';
import type { EngineProbe } from './probe-engine.js';
import { startTimeOf } from '../runtime/process-identity.js';
import { stopEngine, untilReleased } from './stop-engine.js';
import type { StopReport } from '../domain/engine-death.js';
import { StopRecorder } from './stop-recorder.js';

export interface EndCallbacks {
  onDraining: (reason: string) => void;
  /** What is still in flight is lost from here on. */
  onSignal: () => void;
  onStuck: (detail: string) => void;
  /** Requests that coordinators have in flight on the engine. */
}

export class EndOfRun {
  readonly #engineId: string;
  readonly #run: EngineRun;
  readonly #probe: EngineProbe;
  readonly #context: EngineContext;
  readonly #callbacks: EndCallbacks;
  #intent: EndIntent | null = null;
  #signalled = false;
  #closed = false;
  #stuck = false;
  #wake = new AbortController();

  constructor(
    engineId: string,
    run: EngineRun,
    probe: EngineProbe,
    context: EngineContext,
    callbacks: EndCallbacks,
  ) {
    this.#engineId = engineId;
    this.#run = run;
    this.#probe = probe;
    this.#context = context;
    this.#callbacks = callbacks;
  }

  get intent(): EndIntent | null {
    return this.#intent;
  }

  /** SIGTERM has been or is about to be sent: an exit is no crash any more. */
  get signalled(): boolean {
    return this.#signalled;
  }

  /** False when something at least as urgent is under way. */
  propose(intent: EndIntent): boolean {
    if (this.#intent && !isMoreUrgent(intent, this.#intent)) return false;
    this.#intent = intent;
    this.#wake.abort();
    return true;
  }

  /** The leader has ended: whatever waits for it goes on. */
  noteExit(): void {
    this.#wake.abort();
  }

  /** What is stuck is not waited for any more; what still goes its way does so. */
  giveUpWaiting(): void {
    if (this.#stuck) this.#closed = true;
  }

  /** Gives up without touching the engine. */
  close(): void {
    this.#closed = true;
    // Waking a stop in its grace would kill.
    if (!this.#signalled) this.#wake.abort();
  }

  /** Resolves when the run is gone, or `null` when closed before. Stuck ends are waited for. */
  async carryOut(): Promise<StopReport | null> {
    const { clock, devicesReleased, settings } = this.#context;
    const recorder = new StopRecorder(clock);
    await this.#drain(recorder);
    if (this.#closed) return null;
    this.#signalled = !this.#run.exit;
    if (this.#signalled) await this.#intent?.beforeSignal?.();
    if (this.#closed) return null;
    if (this.#signalled) this.#callbacks.onSignal();
    this.#wake = new AbortController();
    const report = await stopEngine(this.#run, {
      graceMs: this.#intent?.graceMs ?? 0,
      devicesReleased,
      clock,
      hurry: this.#wake.signal,
      releaseLimitMs: settings.releaseLimitMs,
      recorder,
    });
    if (this.#closed) return null;
    this.#context.metrics.stopped(this.#engineId, report);
    const { incarnation } = this.#run;
    this.#context.logger.info({ engine: this.#engineId, incarnation, ...report }, 'engine ended');
    return report;
  }

  /** Nothing may start on a device that still carries this run: looked at slowly, until it is over or closed. */
  async untilUnstuck(detail: string): Promise<void> {
    this.#stuck = true;
    this.#callbacks.onStuck(detail);
    const { metrics, logger } = this.#context;
    const devices = this.#run.deviceUuids;
    logger.error({ engine: this.#engineId, devices, detail }, 'the end is not proven');
    for (const uuid of this.#run.deviceUuids) metrics.deviceStuck(uuid, true);
    await this.#waitForEnd();
    for (const uuid of this.#run.deviceUuids) metrics.deviceStuck(uuid, false);
  }

  async #waitForEnd(): Promise<void> {
    const { clock, devicesReleased, settings } = this.#context;
    while (!this.#closed) {
      await sleep(clock, settings.stuckRecheckMs);
      const remaining = await Promise.race([this.#run.emptied, sleep(clock, 1)]);
      const gone = Array.isArray(remaining) && remaining.every((pid) => startTimeOf(pid) === null);
      if (gone && (await untilReleased(this.#run, devicesReleased, clock, 1))) return;
    }
  }

  async #drain(recorder: StopRecorder): Promise<void> {
    for (;;) {
      const intent = this.#intent;
      if (!intent || intent.drainMs <= 0 || this.#run.exit || this.#closed) return;
      this.#wake = new AbortController();
      const signal = this.#wake.signal;
      await recorder.run('drain', () => this.#drainBy(intent, signal));
      if (this.#intent === intent) return;
    }
  }

  /** Work that coordinators still have there counts, although the engine may not have seen it yet. */
  async #drainBy(intent: EndIntent, signal: AbortSignal): Promise<[boolean, string]> {
    const { clock, inputs } = this.#context;
    let left: number | null = null;
    const outcome = await drainEngine({
      readLoad: async () => (await this.#probe.metrics())?.load ?? null,
      inFlight: () => inputs.workOn(this.#engineId).length,
      deadlineMs: intent.drainMs,
      onProgress: (open) => {
        left = open;
        if (this.#intent === intent && !this.#run.exit)
          this.#callbacks.onDraining(
            `${intent.reason}; within ${intent.drainMs / 1000} s; ${open ?? 'unknown'} requests left`,
          );
      },
      clock,
      signal,
    });
    return [outcome === 'idle', outcome === 'idle' ? '' : `${outcome}; ${left ?? 'unknown'} requests left`];
  }
}
