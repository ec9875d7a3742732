/**
 * Looks at one running engine over HTTP: readiness by the first 200 of /health, then its page and the two signs that it is
 * gone although its process still stands (503 without a body, port refused). A late answer is no sign of anything. The page
 * is read with every look while work is in flight, and seldom otherwise: it is large, and an idle one says nothing new.
 */
import type { Clock, Timer } from '../runtime/clock.js';
import { isPageDue, msUntilNextLook } from './next-look.js';
import type { EngineProbe, MetricsAnswer } from './probe-engine.js';

export interface WatchCallbacks {
  onReady: () => void;
  /** After each look once it is ready; `null` when the page could not be read. */
  onPage: (page: MetricsAnswer | null) => void;
  /** Is the page worth reading now? */
  isBusy: () => boolean;
  onUnclear: () => void;
  /** Once; the watch has ended. */
  onGone: (reason: string) => void;
}

const startingPollMs = 200;
/** One refused connection may meet a full moment of a fork; the second one 100 ms later is the truth. */
const recheckMs = 100;

export class EngineWatch {
  readonly #probe: EngineProbe;
  readonly #clock: Clock;
  readonly #callbacks: WatchCallbacks;
  #ready = false;
  #refused = 0;
  #stopped = false;
  #timer: Timer | null = null;
  #pageAtMs = Number.NEGATIVE_INFINITY;

  constructor(probe: EngineProbe, clock: Clock, callbacks: WatchCallbacks) {
    this.#probe = probe;
    this.#clock = clock;
    this.#callbacks = callbacks;
  }

  /** Resolves after the first look. */
  async start(): Promise<void> {
    await this.#look();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    const health = await this.#probe.health();
    if (this.#stopped) return;
    switch (health.kind) {
      case 'ok':
        this.#refused = 0;
        if (!this.#ready) this.#becomeReady();
        await this.#readPage();
        break;
      case 'dead':
        if (this.#ready) return this.#gone('/health says that its engine is dead');
        break;
      case 'refused':
        this.#refused += 1;
        if (this.#ready && this.#refused > 1) return this.#gone('it refuses connections');
        break;
      case 'unclear':
        if (!this.#ready) break;
        this.#callbacks.onUnclear();
        await this.#readPage();
        break;
    }
    this.#next();
  }

  #becomeReady(): void {
    this.#ready = true;
    this.#callbacks.onReady();
  }

  async #readPage(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (!isPageDue(this.#callbacks.isBusy(), nowMs - this.#pageAtMs)) return;
    this.#pageAtMs = nowMs;
    const page = await this.#probe.metrics();
    if (!this.#stopped) this.#callbacks.onPage(page);
  }

  #gone(reason: string): void {
    this.stop();
    this.#callbacks.onGone(reason);
  }

  #next(): void {
    if (this.#stopped) return;
    const pause = !this.#ready
      ? startingPollMs
      : this.#refused > 0
        ? recheckMs
        : msUntilNextLook(this.#clock, !this.#callbacks.isBusy());
    this.#timer = this.#clock.after(pause, () => void this.#look());
  }
}
