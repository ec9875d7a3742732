import { BlockPool } from './block-pool.js';
import type { EngineRequest } from './engine-request.js';

export interface SchedulerLimits {
  maxSequences: number;
  maxBatchedTokens: number;
  blockSize: number;
  prefixCaching: boolean;
  policy: 'fcfs' | 'priority';
}

/** The work of one engine step. */
export interface EngineStep {
  work: { request: EngineRequest; tokens: number }[];
  prefillTokens: number;
  decodes: number;
  /** KV tokens that attention reads in this step. */
  contextTokens: number;
  /** Requests that ran for the first time, for the prefix-cache counters. */
  admitted: EngineRequest[];
  preemptions: number;
}

/**
 * Continuous batching after vLLM's V1 scheduler: running requests first, then waiting ones, within a budget of tokens
 * per step; a prompt may take several steps; when blocks run out the last running request goes back to the queue.
 */
export class Scheduler {
  readonly running: EngineRequest[] = [];
  readonly waiting: EngineRequest[] = [];
  readonly pool: BlockPool;
  /** False holds new requests in the queue (a test's gate before the first token). */
  admits = true;

  constructor(
    readonly limits: SchedulerLimits,
    blocks: number,
  ) {
    this.pool = new BlockPool(blocks);
  }

  add(request: EngineRequest): void {
    if (this.limits.policy === 'fcfs') this.waiting.push(request);
    else this.#insertByPriority(request);
  }

  hasWork(): boolean {
    return this.running.length > 0 || (this.waiting.length > 0 && this.admits);
  }

  /** Takes a request out, wherever it is, and frees its blocks. */
  remove(request: EngineRequest): void {
    for (const list of [this.running, this.waiting]) {
      const at = list.indexOf(request);
      if (at >= 0) list.splice(at, 1);
    }
    this.#free(request);
  }

  schedule(): EngineStep {
    const step: EngineStep = {
      work: [],
      prefillTokens: 0,
      decodes: 0,
      contextTokens: 0,
      admitted: [],
      preemptions: 0,
    };
    let budget = this.#scheduleRunning(step);
    // vLLM admits nobody in a step that had to preempt: the freed blocks would be taken at once.
    while (step.preemptions === 0 && budget > 0 && this.admits && this.waiting.length > 0) {
      if (this.running.length >= this.limits.maxSequences) break;
      const taken = this.#admit(this.waiting[0]!, budget, step);
      if (taken === 0) break;
      this.waiting.shift();
      budget -= taken;
    }
    return step;
  }

  /** After the step's time has passed: computed tokens count, and every request without a rest has a new token. */
  complete(step: EngineStep, nowMs: number): EngineRequest[] {
    const produced: EngineRequest[] = [];
    for (const { request, tokens } of step.work) {
      if (request.blocks.length === 0) continue; // Removed or preempted meanwhile.
      const before = request.computed;
      request.computed += tokens;
      this.#nameFullBlocks(request, before);
      if (request.computed < request.length) continue;
      request.appendToken(nowMs);
      produced.push(request);
      if (request.finish !== null) this.remove(request);
    }
    return produced;
  }

  #scheduleRunning(step: EngineStep): number {
    let budget = this.limits.maxBatchedTokens;
    for (let i = 0; i < this.running.length && budget > 0; i++) {
      const request = this.running[i]!;
      const tokens = Math.min(request.length - request.computed, budget);
      while (!this.#reserve(request, request.computed + tokens)) {
        step.preemptions += 1;
        if (this.#preemptLast() === request) return budget;
      }
      this.#plan(step, request, tokens);
      budget -= tokens;
    }
    return budget;
  }

  #plan(step: EngineStep, request: EngineRequest, tokens: number): void {
    step.work.push({ request, tokens });
    step.contextTokens += request.computed + tokens;
    if (tokens === 1 && request.generated > 0) step.decodes += 1;
    else step.prefillTokens += tokens;
  }

  /** Starts a waiting request with what the cache has of it; returns the tokens it takes, 0 when it does not fit. */
  #admit(request: EngineRequest, budget: number, step: EngineStep): number {
    const cached = this.limits.prefixCaching ? this.#cachedBlocks(request) : [];
    const { blockSize } = this.limits;
    const hit = cached.length * blockSize;
    const tokens = Math.min(request.length - hit, budget);
    const needed = Math.ceil((hit + tokens) / blockSize) - cached.length;
    const freeAfterHits = this.pool.freeCount - cached.filter((block) => this.pool.isFree(block)).length;
    if (needed > freeAfterHits) return 0;
    for (const block of cached) this.pool.share(block);
    request.blocks = cached;
    request.computed = hit;
    this.#reserve(request, hit + tokens);
    this.running.push(request);
    if (!request.preempted) {
      request.cachedTokens = hit;
      step.admitted.push(request);
    }
    this.#plan(step, request, tokens);
    return tokens;
  }

  /** The last token is always computed, so at most the blocks of length - 1 tokens can be hits. */
  #cachedBlocks(request: EngineRequest): number[] {
    const { blockSize } = this.limits;
    const most = Math.floor((request.length - 1) / blockSize);
    const blocks: number[] = [];
    for (let i = 0; i < most; i++) {
      const block = this.pool.find(request.blockHash(i, blockSize));
      if (block < 0) break;
      blocks.push(block);
    }
    return blocks;
  }

  #reserve(request: EngineRequest, tokens: number): boolean {
    const needed = Math.ceil(tokens / this.limits.blockSize) - request.blocks.length;
    if (needed > this.pool.freeCount) return false;
    for (let i = 0; i < needed; i++) request.blocks.push(this.pool.take());
    return true;
  }

  #nameFullBlocks(request: EngineRequest, before: number): void {
    if (!this.limits.prefixCaching) return;
    const { blockSize } = this.limits;
    const full = Math.floor(request.computed / blockSize);
    for (let i = Math.floor(before / blockSize); i < full; i++)
      this.pool.name(request.blocks[i]!, request.blockHash(i, blockSize));
  }

  #preemptLast(): EngineRequest | undefined {
    const victim = this.running.pop();
    if (!victim) return undefined;
    this.#free(victim);
    victim.computed = 0;
    victim.preempted = true;
    this.waiting.unshift(victim);
    return victim;
  }

  #free(request: EngineRequest): void {
    this.pool.release(request.blocks);
    request.blocks = [];
  }

  #insertByPriority(request: EngineRequest): void {
    const { priority } = request.parameters;
    const at = this.waiting.findIndex((other) => other.parameters.priority > priority);
    if (at < 0) this.waiting.push(request);
    else this.waiting.splice(at, 0, request);
  }
}
