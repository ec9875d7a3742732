/**
 * Which sampler speaks for the node, and what becomes of one that is stuck.
 *
 * The current sampler goes on reading the other devices while a call hangs in it. When the call is over its deadline a
 * successor starts without the sick device; once that has read all the others it takes over, and the stuck one is abandoned:
 * killed and forgotten, since a process in an uninterruptible call ends when the kernel likes. The sick device is tried
 * again by a successor that leaves nothing out; as long as that one hangs too, nobody but it notices.
 */
import type { CallUnderWay, RawSnapshot } from '../native/nvml.js';
import { backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { DeviceMetrics } from './device-metrics.js';
import type { Sampler } from './sampler-process.js';

export interface SamplerLineupOptions {
  clock: Clock;
  logger: Logger;
  metrics: Pick<DeviceMetrics, 'count' | 'showStuckSamplers'>;
  callDeadlineMs: number;
  /** Calls back through `handleExit`, `handleNote`. Throws when there is no sampler to start. */
  spawn: (skip: ReadonlySet<number>) => Sampler;
}

/** A driver call that has been given up. */
export interface StuckCall {
  deviceIndex: number | null;
  call: string;
  sinceMs: number;
}

/** Stuck samplers that the kernel has not ended yet; with more of them the driver is beyond what another one could cure. */
export const maxAbandoned = 4;
/** Opening the driver touches every GPU and takes seconds for each without persistence mode: be patient with it. */
const driverPatience = 5;
/** A sampler that lived this long has earned a quick restart. */
const stableMs = 30_000;
/** The heartbeat comes each 250 ms from a thread that never calls the driver. */
const silenceMs = 5000;
const restartBackoff = { baseMs: 250, capMs: 30_000, jitterRatio: 0.2 };
/** Devices that are left out are tried again soon: many calls that hang do so for the 45 s of the firmware's own time-out. */
const retryBackoff = { baseMs: 5000, capMs: 5 * 60_000, jitterRatio: 0.2 };

export class SamplerLineup {
  readonly #options: SamplerLineupOptions;
  readonly #abandoned = new Set<Sampler>();
  /** What hung, by device, for the devices that the current sampler leaves out. */
  readonly #skipped = new Map<number, StuckCall>();
  #current: Sampler | null = null;
  #next: Sampler | null = null;
  #overdue: StuckCall[] = [];
  /** What the successor is to leave out; `null` when none is wanted. */
  #wanted: ReadonlySet<number> | null = null;
  /** Calls that hung in a successor. */
  readonly #hung = new Map<number, StuckCall>();
  #started = 0;
  #failures = 0;
  #retries = 0;
  #notBeforeMs = 0;
  #retryAtMs = Number.POSITIVE_INFINITY;
  #saidFull = false;
  #open = true;
  #held = false;

  constructor(options: SamplerLineupOptions) {
    this.#options = options;
  }

  get current(): Sampler | null {
    return this.#current;
  }

  /** Calls that hang now, and those for which a device is left out. */
  get stuck(): StuckCall[] {
    return [...this.#skipped.values(), ...this.#overdue];
  }

  /** No further sampler may be started until one that is stuck has ended. */
  get full(): boolean {
    return this.#abandoned.size >= maxAbandoned;
  }

  /** Starts what is due and judges what runs. Returns what the current sampler has to say, `null` for nothing. */
  review(): RawSnapshot | null {
    if (!this.#open) return null;
    this.#ensureCurrent();
    const raw = this.#current?.read() ?? null;
    this.#overdue = raw ? this.#overdueIn(raw) : [];
    if (this.#isSilent(this.#current, raw)) {
      this.#abandon(this.#current!, 'the sampler shows no life');
      this.#current = null;
      return null;
    }
    this.#reviewNext();
    if (!this.#next && !this.#held) this.#plan(raw);
    return raw;
  }

  /** True when the process was ours to lose: the current one, or its successor. */
  handleExit(process: Sampler, reason: string): void {
    const { logger, metrics, clock } = this.#options;
    if (this.#abandoned.delete(process)) {
      metrics.showStuckSamplers(this.#abandoned.size);
      this.#saidFull = false;
      return;
    }
    if (!this.#open || (process !== this.#current && process !== this.#next)) return;
    metrics.count('crashes');
    if (clock.monotonicMs() - process.startedAtMs > stableMs) this.#failures = 0;
    this.#slowDown();
    logger.error({ samplerPid: process.pid, reason }, 'the sampler ended by itself; it is started again');
    if (process === this.#current) {
      this.#current = this.#next;
      this.#next = null;
      this.#overdue = [];
    } else this.#next = null;
  }

  /** Nothing more is started until `open()`: the driver is to be free. */
  hold(): void {
    this.#held = true;
    if (this.#next) this.#abandon(this.#next, null);
    this.#next = null;
    this.#wanted = null;
  }

  /** Lets go of the current sampler and hands it out, for the caller to end. Nothing more is started until `open()`. */
  close(): Sampler | null {
    this.hold();
    this.#open = false;
    const current = this.#current;
    this.#current = null;
    this.#overdue = [];
    this.#skipped.clear();
    return current;
  }

  /** Starts again, and tries the devices that were left out: much may have changed meanwhile. */
  open(): void {
    this.#open = true;
    this.#held = false;
    this.#notBeforeMs = 0;
    this.#retries = 0;
    this.#retryAtMs = this.#options.clock.monotonicMs();
  }

  /** For one that did not end when asked. */
  abandon(process: Sampler, why: string): void {
    if (!process.ended) this.#abandon(process, why);
  }

  #ensureCurrent(): void {
    if (this.#current || this.#held) return;
    this.#current = this.#next ?? this.#launch(new Set(this.#skipped.keys()));
    this.#next = null;
  }

  /** A successor is due when a call hangs, or when it is time to try the devices that are left out. */
  #plan(raw: RawSnapshot | null): void {
    const current = this.#current;
    if (!current || !raw) return;
    const hanging = this.#overdue.filter((call) => this.#isBeyondPatience(call));
    if (hanging.length > 0) {
      this.#wanted = new Set([...current.skip, ...indicesOf(hanging), ...(this.#wanted ?? [])]);
    } else if (this.#isTimeToRetry()) {
      this.#scheduleRetry();
      this.#wanted = new Set();
    }
    if (this.#wanted) this.#next = this.#launch(this.#wanted);
    if (this.#next) this.#wanted = null;
  }

  /** As long as the kernel cannot end a stuck sampler the driver is stuck too, and another try would only add one more. */
  #isTimeToRetry(): boolean {
    const due = this.#options.clock.monotonicMs() >= this.#retryAtMs;
    return due && this.#skipped.size > 0 && this.#abandoned.size === 0;
  }

  #reviewNext(): void {
    const next = this.#next;
    if (!next) return;
    const raw = next.read();
    const overdue = (raw ? this.#overdueIn(raw) : []).filter((call) => this.#isBeyondPatience(call));
    if (overdue.length > 0 || this.#isSilent(next, raw)) {
      this.#next = null;
      this.#abandon(next, overdue[0] ? `${overdue[0].call} has not returned` : 'the sampler shows no life');
      this.#learnFrom(next, overdue);
    } else if (next.hasSampled && raw?.driver) {
      this.#next = null;
      if (raw.driver.state === 'ok' || !this.#currentIsOk()) this.#takeOver(next);
      else this.#giveUpOn(next);
    }
  }

  /**
   * The successor hung too. Another one, which leaves that device out as well, is worth it when the current sampler hangs
   * or leaves out more than that; otherwise all stays as it is.
   */
  #learnFrom(next: Sampler, overdue: StuckCall[]): void {
    for (const call of overdue) if (call.deviceIndex !== null) this.#hung.set(call.deviceIndex, call);
    const skip = new Set([...next.skip, ...indicesOf(overdue)]);
    const now = this.#current?.skip ?? new Set<number>();
    const better = skip.size < now.size && [...skip].every((index) => now.has(index));
    if (skip.size > next.skip.size && (better || this.#overdue.length > 0)) this.#wanted = skip;
    else if (this.#overdue.length > 0) this.#slowDown();
  }

  /** It cannot even open the driver, which the current sampler has open. */
  #giveUpOn(next: Sampler): void {
    this.#discard(next);
    this.#slowDown();
  }

  #takeOver(next: Sampler): void {
    const { logger } = this.#options;
    const old = this.#current;
    const hanging = this.#overdue;
    for (const call of [...this.#hung.values(), ...hanging])
      if (
        call.deviceIndex !== null &&
        next.skip.has(call.deviceIndex) &&
        !this.#skipped.has(call.deviceIndex)
      )
        this.#skipped.set(call.deviceIndex, call);
    for (const index of [...this.#skipped.keys()])
      if (!next.skip.has(index)) {
        this.#skipped.delete(index);
        logger.warn({ deviceIndex: index }, 'the device answers again');
      }
    if (this.#skipped.size === 0) this.#retries = 0;
    else if (hanging.length > 0) this.#scheduleRetry();
    this.#current = next;
    this.#overdue = [];
    this.#hung.clear();
    if (old && hanging[0]) this.#abandon(old, `${hanging[0].call} has not returned`);
    else if (old) this.#discard(old);
  }

  #scheduleRetry(): void {
    this.#retryAtMs = this.#options.clock.monotonicMs() + backoffMs(this.#retries++, retryBackoff);
  }

  #launch(skip: ReadonlySet<number>): Sampler | null {
    const { clock, logger, metrics, spawn } = this.#options;
    if (clock.monotonicMs() < this.#notBeforeMs) return null;
    if (this.full) {
      if (!this.#saidFull)
        logger.error({ abandoned: this.#abandoned.size }, 'too many stuck samplers; no other is started');
      this.#saidFull = true;
      return null;
    }
    this.#notBeforeMs = clock.monotonicMs() + restartBackoff.baseMs;
    try {
      const process = spawn(skip);
      if (this.#started++ > 0) metrics.count('restarts');
      return process;
    } catch (error) {
      this.#slowDown();
      logger.error({ err: error }, 'the sampler cannot be started');
      return null;
    }
  }

  #abandon(process: Sampler, why: string | null): void {
    const { logger, metrics } = this.#options;
    this.#abandoned.add(process);
    process.kill();
    metrics.showStuckSamplers(this.#abandoned.size);
    if (why === null) return;
    metrics.count('abandoned');
    logger.error({ samplerPid: process.pid, why }, 'sampler abandoned');
  }

  /** Of a healthy one that is no longer needed. It closes the driver itself; nobody waits for it. */
  #discard(process: Sampler): void {
    process.command('quit');
    this.#options.clock.after(silenceMs, () => this.abandon(process, 'it did not end when asked'));
  }

  #slowDown(): void {
    this.#notBeforeMs = this.#options.clock.monotonicMs() + backoffMs(this.#failures++, restartBackoff);
  }

  #isBeyondPatience({ deviceIndex, sinceMs }: StuckCall): boolean {
    const patience = deviceIndex === null ? driverPatience : 1;
    return this.#options.clock.monotonicMs() - sinceMs >= patience * this.#options.callDeadlineMs;
  }

  #overdueIn(raw: RawSnapshot): StuckCall[] {
    const nowMs = this.#options.clock.monotonicMs();
    return raw.calls
      .filter(({ forMs }) => forMs >= this.#options.callDeadlineMs)
      .map(({ deviceIndex, call, forMs }: CallUnderWay) => ({ deviceIndex, call, sinceMs: nowMs - forMs }));
  }

  /** Says nothing at all: stopped, or never came as far as its snapshot. */
  #isSilent(process: Sampler | null, raw: RawSnapshot | null): boolean {
    if (!process) return false;
    const ageMs = raw ? raw.heartbeatAgeMs : this.#options.clock.monotonicMs() - process.startedAtMs;
    return ageMs > silenceMs;
  }

  #currentIsOk(): boolean {
    return this.#current?.read()?.driver?.state === 'ok';
  }
}

function indicesOf(calls: readonly StuckCall[]): number[] {
  return calls.flatMap(({ deviceIndex }) => (deviceIndex === null ? [] : [deviceIndex]));
}
