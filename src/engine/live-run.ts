/** A run with everything that watches it: probe, readiness, page and progress, start deadline, and the way to its end. */
import type { TemplateConfig } from '../config/agent-config.js';
import type { StartProgress } from '../domain/engine.js';
import type { Timer } from '../runtime/clock.js';
import { drainEngine } from './drain-engine.js';
import { EndOfRun, type EndCallbacks } from './end-of-run.js';
import { adapterOf } from './engine-adapters.js';
import type { EngineContext } from './engine-context.js';
import type { EngineRun, RunExit } from './engine-run.js';
import { EngineProbe, type MetricsAnswer } from './probe-engine.js';
import { describeProgress, type StartLog } from './start-log.js';
import { EngineWatch, type WatchCallbacks } from './watch-engine.js';
import { ProgressWatch } from './watch-progress.js';
import { StartWatch } from './watch-start.js';

export interface LiveRunCallbacks extends EndCallbacks, Omit<WatchCallbacks, 'onReady' | 'isBusy'> {
  onExit: (exit: RunExit) => void;
  /** `afterMs` is the time since the launch, or since the adoption. */
  onReady: (afterMs: number) => void;
  /** A start has gone a step forward. */
  onProgress: (progress: StartProgress) => void;
  /** The whole log of a start that became ready, unless the run is on its way to its end by then. */
  onLoaded: (log: StartLog) => void;
  /** Work waits and nothing moves. */
  onHung: (reason: string) => void;
}

/** How often processes and shared files are listed anew, beside the news of files that appear. */
const refreshMs = 60_000;

export class LiveRun {
  readonly run: EngineRun;
  readonly end: EndOfRun;
  readonly watch: EngineWatch;
  readonly #engineId: string;
  readonly #context: EngineContext;
  readonly #over = new AbortController();
  readonly probe: EngineProbe;
  readonly #progress: ProgressWatch;
  readonly #start: StartWatch;
  #readyAtMs: number | null = null;
  #refresh: Timer | null = null;
  #deafen = (): void => undefined;

  constructor(
    engineId: string,
    run: EngineRun,
    template: TemplateConfig,
    context: EngineContext,
    callbacks: LiveRunCallbacks,
  ) {
    const { clock, inputs } = context;
    const adapter = adapterOf(template);
    this.#engineId = engineId;
    this.run = run;
    this.#context = context;
    this.probe = new EngineProbe({ url: run.url, adapter, apiKey: run.apiKey });
    this.#progress = new ProgressWatch({
      engineId,
      run: { deviceUuids: () => run.deviceUuids, leaderPid: run.leaderPid, runDir: run.runDir },
      model: () => adapter.servedModels(template)[0] ?? template.model,
      probe: this.probe,
      inputs,
      clock,
      watchdogMs: template.watchdogMs,
      onStuck: callbacks.onHung,
    });
    this.end = new EndOfRun(engineId, run, this.probe, context, callbacks);
    this.watch = new EngineWatch(this.probe, clock, {
      ...callbacks,
      isBusy: () => this.#progress.busy,
      onPage: (page: MetricsAnswer | null) => {
        callbacks.onPage(page);
        this.#progress.look(page);
      },
      onReady: () => {
        this.#becomeReady(callbacks.onLoaded);
        callbacks.onReady(clock.monotonicMs() - run.startedAtMs);
      },
    });
    this.#start = new StartWatch({
      runDir: run.runDir,
      stallMs: template.startTimeoutMs,
      clock,
      onProgress: callbacks.onProgress,
      onStalled: (progress) => {
        this.watch.stop();
        const where = describeProgress(progress).replace('loading: ', '');
        callbacks.onGone(
          `it was not ready and went no step forward for ${template.startTimeoutMs / 1000} s (${where})`,
        );
      },
    });
    run.onExit = (exit) => {
      this.#start.stop();
      this.stopWatching();
      this.end.noteExit();
      callbacks.onExit(exit);
    };
  }

  /** How long it has been ready, or `null` when it never was. */
  get readyForMs(): number | null {
    return this.#readyAtMs === null ? null : this.#context.clock.monotonicMs() - this.#readyAtMs;
  }

  /** Aborts when the run is on its way to its end, or is let go. */
  get ended(): AbortSignal {
    return this.#over.signal;
  }

  /** Nothing has come that ends it. */
  get serves(): boolean {
    return !this.ended.aborted && !this.end.intent && !this.run.exit;
  }

  /** Waits for open requests without ending anything. */
  async drain(deadlineMs: number, onProgress: (left: number | null) => void): Promise<void> {
    const { clock, inputs } = this.#context;
    await drainEngine({
      readLoad: async () => (await this.probe.metrics())?.load ?? null,
      inFlight: () => inputs.workOn(this.#engineId).length,
      deadlineMs,
      onProgress,
      clock,
      signal: this.ended,
    });
  }

  /** Resolves after the first look. */
  start(): Promise<void> {
    this.run.listen();
    void this.run.refreshPids({ maps: false });
    this.#deafen = this.#context.sharedMemory.listen(() => this.#list());
    this.#start.start();
    return this.watch.start();
  }

  /** It is on its way to its end: nothing about it is news any more. */
  stopWatching(): void {
    this.#over.abort();
    this.watch.stop();
    this.#progress.close();
    this.#refresh?.cancel();
    this.#deafen();
  }

  get stillForMs(): number | null {
    return this.#progress.stillForMs;
  }

  /** How far its start has come. */
  get startLog(): StartLog {
    return this.#start.log;
  }

  /** How far a start came that is over is in the last lines of its log. */
  async readStartLog(): Promise<void> {
    if (this.#readyAtMs === null) await this.#start.finish();
  }

  /** Lets go; the engine goes on when it still runs. */
  close(): void {
    this.#start.stop();
    this.stopWatching();
    this.end.close();
    this.probe.close();
    this.run.close();
  }

  #becomeReady(onLoaded: LiveRunCallbacks['onLoaded']): void {
    void this.#start.finish().then((log) => {
      if (!this.ended.aborted) onLoaded(log);
    });
    this.#readyAtMs = this.#context.clock.monotonicMs();
    // The processes that hold the memory exist by now, and so does most of what they share.
    void this.run.refreshPids({ maps: true });
    this.#refresh = this.#context.clock.every(refreshMs, () => this.#list());
  }

  #list(): void {
    if (!this.#progress.still) void this.run.refreshPids({ maps: true });
  }
}
