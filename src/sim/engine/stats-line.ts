import type { EngineLog } from './engine-log.js';
import type { Scheduler } from './scheduler.js';

/** The line `Engine 000: Avg prompt throughput: ...` while there is traffic, and once more when it has ended. */
export class StatsLine {
  #timer: NodeJS.Timeout | undefined;
  #promptTokens = 0;
  #outputTokens = 0;
  #queries = 0;
  #hits = 0;
  #sinceMs = 0;
  /** A hung engine core reports nothing, so the line stops. */
  silent = false;

  constructor(
    private readonly log: EngineLog,
    private readonly scheduler: Scheduler,
    private readonly intervalMs: number,
  ) {}

  step(promptTokens: number, outputTokens: number): void {
    this.#promptTokens += promptTokens;
    this.#outputTokens += outputTokens;
    if (this.#timer) return;
    this.#sinceMs = performance.now();
    this.#timer = setInterval(() => this.#print(), this.intervalMs).unref();
  }

  lookup(queries: number, hits: number): void {
    this.#queries += queries;
    this.#hits += hits;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #print(): void {
    if (this.silent) return;
    const seconds = Math.max(0.001, (performance.now() - this.#sinceMs) / 1000);
    const { running, waiting, pool } = this.scheduler;
    const idle = this.#promptTokens + this.#outputTokens === 0 && running.length === 0;
    const rate = (tokens: number): string => (tokens / seconds).toFixed(1);
    const hitRate = this.#queries > 0 ? (100 * this.#hits) / this.#queries : 0;
    this.log.info(
      'api',
      'loggers.py:257',
      `Engine 000: Avg prompt throughput: ${rate(this.#promptTokens)} tokens/s, Avg generation throughput: ${rate(this.#outputTokens)} tokens/s, Running: ${running.length} reqs, Waiting: ${waiting.length} reqs, GPU KV cache usage: ${(100 * pool.usage).toFixed(1)}%, Prefix cache hit rate: ${hitRate.toFixed(1)}%`,
    );
    this.#promptTokens = 0;
    this.#outputTokens = 0;
    this.#sinceMs = performance.now();
    if (idle) this.stop();
  }
}
