/**
 * Feeds the watchdog of one run: its page, the leases on it, and, once it stands still for suspiciously long, a canary
 * request and the other signs. Called with every page that is read; answers through `onStuck`, once.
 */
import { join } from 'node:path';
import type { EngineLoad } from '../domain/engine.js';
import type { Clock } from '../runtime/clock.js';
import { cpuMsOf } from '../runtime/process-identity.js';
import type { EngineInputs } from './engine-inputs.js';
import type { EngineProbe, MetricsAnswer } from './probe-engine.js';
import { ProgressWatchdog, type ProgressLook } from './progress-watchdog.js';
import { logSize, readLogFrom } from './read-log.js';
import { stallSigns } from './stall-signs.js';

export interface ProgressWatchOptions {
  engineId: string;
  run: {
    deviceUuids: () => readonly string[];
    /** `null` for an engine of others: no CPU time and no log speak of it. */
    leaderPid: number | null;
    runDir: string | null;
  };
  /** Model of the canary request. */
  model: () => string;
  probe: Pick<EngineProbe, 'canary'>;
  inputs: EngineInputs;
  clock: Clock;
  watchdogMs: number;
  onStuck: (reason: string) => void;
}

/** Of the log since the engine stands still; the warnings that are looked for are two lines. */
const maxLogBytes = 1024 * 1024;

/** One canary per standstill: one that was answered or refused says no more the second time. */
interface Suspicion {
  sinceMs: number;
  stop: AbortController;
  canaryOver: boolean;
  /** What the engine has logged since. */
  log: string;
  /** `null` while the log is being read. */
  logOffset: number | null;
}

export class ProgressWatch {
  readonly #options: ProgressWatchOptions;
  readonly #watchdog: ProgressWatchdog;
  #load: EngineLoad | null = null;
  #still = false;
  #stillForMs: number | null = null;
  #suspicion: Suspicion | null = null;
  #over = false;

  constructor(options: ProgressWatchOptions) {
    this.#options = options;
    this.#watchdog = new ProgressWatchdog(options.watchdogMs);
  }

  /** Work is in flight, or is believed to be. */
  get busy(): boolean {
    const open = this.#load ? this.#load.running + this.#load.waiting : 0;
    return this.#still || open > 0 || this.#leases > 0;
  }

  /** Work waits and nothing moved at the last look. */
  get still(): boolean {
    return this.#still;
  }

  /** How long work has been there without a step; 0 while it moves or there is none, `null` before the first look. */
  get stillForMs(): number | null {
    return this.#stillForMs;
  }

  look(answer: MetricsAnswer | null): void {
    if (this.#over) return;
    this.#load = answer?.load ?? this.#load;
    const verdict = this.#watchdog.look(this.#lookOf(answer));
    this.#still = verdict.kind === 'still';
    this.#stillForMs =
      verdict.kind === 'still' ? verdict.forMs : verdict.kind === 'stuck' ? this.#stillForMs : 0;
    switch (verdict.kind) {
      case 'idle':
      case 'moving':
        this.#calmDown();
        break;
      case 'still':
        if (verdict.suspicious) this.#suspect();
        break;
      case 'stuck':
        this.close();
        this.#options.onStuck(verdict.reason);
        break;
    }
  }

  close(): void {
    this.#over = true;
    this.#calmDown();
  }

  get #leases(): number {
    return this.#options.inputs.workOn(this.#options.engineId).length;
  }

  #lookOf(answer: MetricsAnswer | null): ProgressLook {
    const { clock, run } = this.#options;
    const nowMs = clock.monotonicMs();
    const suspicion = this.#suspicion;
    return {
      nowMs,
      leases: this.#leases,
      page: answer && {
        steps: answer.progress.steps,
        asleep: answer.progress.asleep,
        running: answer.load?.running ?? 0,
        waiting: answer.load?.waiting ?? 0,
      },
      cpuMs: run.leaderPid === null ? null : cpuMsOf(run.leaderPid),
      canaryPendingMs: suspicion && !suspicion.canaryOver ? nowMs - suspicion.sinceMs : null,
      signs: suspicion ? this.#signs(suspicion) : [],
    };
  }

  #signs({ log }: Suspicion): string[] {
    const { inputs, run } = this.#options;
    return stallSigns({
      readings: run
        .deviceUuids()
        .map((uuid) => inputs.reading(uuid))
        .filter((reading) => reading !== null),
      log,
      missedHeartbeats: run.deviceUuids().filter((uuid) => inputs.heartbeatMissed(uuid) === true),
    });
  }

  #suspect(): void {
    if (this.#suspicion) return void this.#readLog(this.#suspicion);
    const { clock, probe, model } = this.#options;
    const stop = new AbortController();
    const suspicion: Suspicion = {
      sinceMs: clock.monotonicMs(),
      stop,
      canaryOver: false,
      log: '',
      logOffset: null,
    };
    this.#suspicion = suspicion;
    void probe.canary(model(), stop.signal).then(() => (suspicion.canaryOver = true));
    if (this.#logPath !== null) void logSize(this.#logPath).then((size) => (suspicion.logOffset = size));
  }

  #calmDown(): void {
    this.#suspicion?.stop.abort();
    this.#suspicion = null;
  }

  get #logPath(): string | null {
    const { runDir } = this.#options.run;
    return runDir === null ? null : join(runDir, 'engine.log');
  }

  async #readLog(suspicion: Suspicion): Promise<void> {
    const from = suspicion.logOffset;
    const path = this.#logPath;
    if (from === null || path === null) return;
    suspicion.logOffset = null;
    const { text, nextOffset } = await readLogFrom(path, from, maxLogBytes);
    suspicion.log = (suspicion.log + text).slice(-maxLogBytes);
    suspicion.logOffset = nextOffset;
  }
}
