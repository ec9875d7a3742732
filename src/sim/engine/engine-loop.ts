import { EngineRequest, type RequestOutput, type RequestParameters } from './engine-request.js';
import { Scheduler, type EngineStep } from './scheduler.js';
import { stepMs, type StepCost } from './step-cost.js';

/** Hears what the engine did; the metrics and the stats line live behind it. Times are loop milliseconds. */
export interface LoopObserver {
  stepped(step: EngineStep, produced: readonly EngineRequest[], atMs: number): void;
  token(request: EngineRequest, previousMs: number, atMs: number): void;
  finished(request: EngineRequest, atMs: number): void;
  idle(): void;
}

export interface LoopOptions {
  cost: StepCost;
  /** Real time per simulated time; 0.1 is ten times faster. */
  timeScale: number;
  random: () => number;
}

/** Timers fire at most this often: at small time scales several steps share one tick and one write per stream. */
const shortestTickMs = 4;
/** A loop that fell behind by more than this (a busy machine) gives up catching up. */
const mostLagMs = 250;

/**
 * The engine core's busy loop, one timer for all requests: a step is scheduled, takes its time, and hands out tokens.
 * While hung nothing moves: new work and aborts pile up unread, as with a stuck kernel.
 */
export class EngineLoop {
  hung = false;
  paused = false;
  /** Above 1: every step takes that much longer. */
  slowFactor = 1;

  #timer: NodeJS.Timeout | undefined;
  #step: EngineStep | null = null;
  #stepEndMs = 0;
  #aborts: EngineRequest[] = [];
  #stopped = false;
  readonly #open = new Set<EngineRequest>();

  constructor(
    readonly scheduler: Scheduler,
    readonly options: LoopOptions,
    private readonly observer: LoopObserver,
  ) {}

  /** Requests accepted and not finished. */
  get openRequests(): number {
    return this.#open.size;
  }

  submit(parameters: RequestParameters, deliver: (output: RequestOutput) => void): EngineRequest {
    const request = new EngineRequest(parameters, performance.now(), deliver);
    this.#open.add(request);
    this.scheduler.add(request);
    this.wake();
    return request;
  }

  /** Ends a request with `abort`; read by the engine between steps, hence never while it hangs. */
  abort(request: EngineRequest): void {
    if (!this.#open.has(request)) return;
    this.#aborts.push(request);
    this.wake();
  }

  abortAll(): void {
    for (const request of this.#open) this.abort(request);
  }

  /** Starts the loop when there is something to do; harmless otherwise. */
  wake(): void {
    if (this.#timer || this.hung || this.#stopped) return;
    if (this.#step) this.#sleepUntil(Math.max(this.#stepEndMs, performance.now()));
    else this.#beginStep(performance.now());
  }

  hang(): void {
    this.hung = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  unhang(): void {
    this.hung = false;
    this.wake();
  }

  /** Drops everything without an answer; the caller has told the requests' owners. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#open.clear();
  }

  #beginStep(fromMs: number): void {
    const aborted = this.#takeAborts(fromMs);
    if (this.paused || !this.scheduler.hasWork()) {
      if (aborted) this.observer.idle();
      return;
    }
    const step = this.scheduler.schedule();
    for (const { request } of step.work) if (request.scheduledMs < 0) request.scheduledMs = fromMs;
    const { cost, timeScale, random } = this.options;
    const jitter = 0.97 + 0.06 * random();
    this.#step = step;
    this.#stepEndMs = fromMs + stepMs(step, cost) * this.slowFactor * timeScale * jitter;
    this.#sleepUntil(this.#stepEndMs);
  }

  #sleepUntil(atMs: number): void {
    if (this.#timer) return;
    const delay = Math.max(shortestTickMs, atMs - performance.now());
    this.#timer = setTimeout(() => this.#tick(), delay);
  }

  #tick(): void {
    // Kept set while steps run, so that #beginStep does not arm a timer per step.
    const touched = new Set<EngineRequest>();
    const now = performance.now();
    if (this.#stepEndMs < now - mostLagMs) this.#stepEndMs = now;
    while (this.#step && this.#stepEndMs <= now) this.#finishStep(touched);
    this.#timer = undefined;
    for (const request of touched) this.#flush(request);
    if (this.#step && !this.hung && !this.#stopped) this.#sleepUntil(this.#stepEndMs);
    else if (!this.#step && (this.#aborts.length > 0 || this.scheduler.hasWork())) this.wake();
    if (!this.#step && this.#open.size === 0) this.observer.idle();
  }

  #finishStep(touched: Set<EngineRequest>): void {
    const step = this.#step!;
    const atMs = this.#stepEndMs;
    this.#step = null;
    const previous = new Map(step.work.map(({ request }) => [request, request.lastTokenMs]));
    const produced = this.scheduler.complete(step, atMs);
    for (const request of produced) {
      touched.add(request);
      this.observer.token(request, previous.get(request) ?? -1, atMs);
    }
    this.observer.stepped(step, produced, atMs);
    for (const request of produced) if (request.finish !== null) this.#end(request, atMs);
    this.#beginStep(atMs);
  }

  #takeAborts(atMs: number): boolean {
    const aborts = this.#aborts;
    this.#aborts = [];
    for (const request of aborts) {
      if (!this.#open.has(request)) continue;
      this.scheduler.remove(request);
      request.finish = 'abort';
      this.#end(request, atMs);
      this.#flush(request);
    }
    return aborts.length > 0;
  }

  #end(request: EngineRequest, atMs: number): void {
    this.#open.delete(request);
    this.observer.finished(request, atMs);
  }

  #flush(request: EngineRequest): void {
    const output = request.takeOutput();
    if (output) request.deliver(output);
  }
}
