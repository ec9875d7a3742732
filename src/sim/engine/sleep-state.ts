import type { SimulatedEngine } from './simulated-engine.js';

export type PauseMode = 'abort' | 'wait' | 'keep';
export type WakeTag = 'weights' | 'kv_cache' | 'scheduling';

/** What a sleeping engine keeps: the CUDA context and the graphs. */
const asleepBytes = 1.5 * 1024 ** 3;
/** A `wait` for running requests ends after this many milliseconds in any case. */
const mostWaitMs = 60_000;

/** Sleep and pause: both stop the scheduler, each on its own account; sleep also gives GPU memory back. */
export class SleepState {
  paused = false;
  readonly #missing = new Set<WakeTag>();

  constructor(
    private readonly engine: SimulatedEngine,
    private readonly hold: (bytesPerRank: number) => void,
  ) {}

  get sleeping(): boolean {
    return this.#missing.size > 0;
  }

  /** @param level 0 stops scheduling, 1 moves weights to host memory, 2 drops them; 1 and 2 drop the KV cache */
  async sleep(level: number, mode: PauseMode): Promise<void> {
    await this.#quiet(mode);
    this.#missing.add('scheduling');
    this.#apply();
    if (level === 0) return;
    this.#missing.add('weights').add('kv_cache');
    this.engine.scheduler.pool.reset();
    this.engine.metrics.sleeping(level);
    this.hold(asleepBytes);
  }

  /** Without tags everything wakes. */
  wake(tags: readonly string[]): void {
    const wanted = tags.length === 0 ? ['weights', 'kv_cache', 'scheduling'] : tags;
    for (const tag of wanted) this.#missing.delete(tag as WakeTag);
    if (!this.#missing.has('weights') && !this.#missing.has('kv_cache')) this.#missing.delete('scheduling');
    const { plan } = this.engine;
    if (!this.#missing.has('kv_cache')) this.hold(plan.heldBytes);
    else if (!this.#missing.has('weights')) this.hold(plan.weightBytes);
    if (!this.sleeping) this.engine.metrics.sleeping(0);
    this.#apply();
  }

  async pause(mode: PauseMode, clearCache: boolean): Promise<void> {
    await this.#quiet(mode);
    this.paused = true;
    if (clearCache) this.engine.scheduler.pool.reset();
    this.#apply();
  }

  resume(): void {
    this.paused = false;
    this.#apply();
  }

  #apply(): void {
    this.engine.loop.paused = this.paused || this.sleeping;
    if (!this.engine.loop.paused) this.engine.loop.wake();
  }

  /** `keep` freezes requests where they are, the others end them or wait for their end. */
  async #quiet(mode: PauseMode): Promise<void> {
    if (mode === 'abort') this.engine.loop.abortAll();
    const until = performance.now() + mostWaitMs;
    while (
      mode !== 'keep' &&
      this.engine.loop.openRequests > 0 &&
      performance.now() < until &&
      !this.engine.loop.hung
    )
      await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
