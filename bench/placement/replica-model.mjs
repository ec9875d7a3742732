/**
 * One replica, as a model: README.md describes it. Time is in ms, cache in 512-token blocks. The model is event
 * driven: `nextEventMs` says when something ends, `advanceTo` makes it happen.
 */
export const modelDefaults = {
  prefillTokensPerSecond: 15_000,
  maxSequences: 256,
  blockTokens: 512,
  /** Time of one decode step: fixed part, per sequence, per token of context. */
  stepMs: 12,
  stepMsPerSequence: 0.05,
  stepMsPerContextToken: 3e-5,
  /** Decode steps take this many times longer while a prefill runs beside them. */
  prefillSlowdown: 2,
};

export class ReplicaModel {
  constructor(id, { capacityBlocks, speed = 1, listener, ...model }) {
    Object.assign(this, modelDefaults, model);
    this.id = id;
    this.capacityBlocks = capacityBlocks;
    this.speed = speed;
    this.listener = listener;
    /** Blocks nobody uses, least recently used first, deeper before shallower: the front is always a leaf. */
    this.idle = new Map();
    /** Blocks in use -> number of users. */
    this.inUse = new Map();
    this.anonymous = 0;
    this.queue = [];
    this.prefill = null;
    this.decoding = [];
    /** Decoded tokens per sequence so far (virtual time of the processor sharing). */
    this.progress = 0;
    this.contextTokens = 0;
    this.nowMs = 0;
    this.busyMs = 0;
    /** Blocks that queued and prefilling requests will bring, for the oracle. */
    this.coming = new Map();
  }

  get outstanding() {
    return this.queue.length + this.decoding.length + (this.prefill ? 1 : 0);
  }

  enqueue(request, nowMs) {
    this.advanceTo(nowMs);
    this.queue.push(request);
    for (const block of request.chain) this.coming.set(block, (this.coming.get(block) ?? 0) + 1);
    this.#startPrefill();
  }

  nextEventMs() {
    const prefillMs = this.prefill ? this.prefill.endMs : Infinity;
    const first = this.decoding[0];
    const decodeMs = first ? this.nowMs + (first.endProgress - this.progress) * this.#stepMs() : Infinity;
    return Math.min(prefillMs, decodeMs);
  }

  advanceTo(nowMs) {
    for (;;) {
      const eventMs = this.nextEventMs();
      if (eventMs > nowMs) break;
      this.#pass(eventMs);
      if (this.prefill && this.prefill.endMs <= eventMs) this.#endPrefill();
      else this.#endDecode();
      this.#startPrefill();
    }
    this.#pass(nowMs);
  }

  /** Leading blocks in the cache now. */
  cachedBlocks(chain) {
    let depth = 0;
    while (depth < chain.length && (this.idle.has(chain[depth]) || this.inUse.has(chain[depth]))) depth += 1;
    return depth;
  }

  /** Prefill work that stands before a new request, with the caches as they will be. */
  backlogTokens() {
    let tokens = this.prefill ? (this.prefill.endMs - this.nowMs) * this.#prefillRate() : 0;
    for (const request of this.queue) tokens += this.uncachedTokens(request, true);
    return tokens;
  }

  /** Tokens to compute for a request: with `ahead`, blocks that earlier queued requests bring count as cached. */
  uncachedTokens(request, ahead = false) {
    let depth = this.cachedBlocks(request.chain);
    if (ahead) while (depth < request.chain.length && this.#comesEarlier(request, depth)) depth += 1;
    return Math.max(1, request.tokens - depth * this.blockTokens);
  }

  /** Everything without a first token, and everything streaming, when the replica dies. */
  abandon() {
    const waiting = [...this.queue, ...(this.prefill ? [this.prefill.request] : [])];
    const streaming = this.decoding.map((d) => d.request);
    [this.queue, this.prefill, this.decoding] = [[], null, []];
    this.idle.clear();
    this.inUse.clear();
    this.coming.clear();
    return { waiting, streaming };
  }

  #comesEarlier(request, depth) {
    const own = this.queue.includes(request) ? 1 : 0;
    return (this.coming.get(request.chain[depth]) ?? 0) > own;
  }

  #prefillRate() {
    return (this.prefillTokensPerSecond * this.speed) / 1000;
  }

  #stepMs() {
    const step =
      this.stepMs +
      this.stepMsPerSequence * this.decoding.length +
      this.stepMsPerContextToken * this.contextTokens;
    return (step * (this.prefill ? this.prefillSlowdown : 1)) / this.speed;
  }

  #pass(nowMs) {
    const elapsedMs = nowMs - this.nowMs;
    if (elapsedMs <= 0) return;
    if (this.decoding.length > 0) this.progress += elapsedMs / this.#stepMs();
    if (this.prefill) this.busyMs += elapsedMs;
    this.nowMs = nowMs;
  }

  /** First in, first out, one at a time; waits for a sequence slot and for cache room. */
  #startPrefill() {
    const request = this.queue[0];
    if (this.prefill || !request || this.decoding.length >= this.maxSequences) return;
    const depth = this.cachedBlocks(request.chain);
    if (!this.#acquire(request)) return;
    this.queue.shift();
    const uncached = Math.max(1, request.tokens - depth * this.blockTokens);
    this.prefill = {
      request,
      cachedTokens: request.tokens - uncached,
      endMs: this.nowMs + uncached / this.#prefillRate(),
    };
  }

  #endPrefill() {
    const { request, cachedTokens } = this.prefill;
    this.prefill = null;
    for (const block of request.chain) {
      const left = this.coming.get(block) - 1;
      if (left === 0) this.coming.delete(block);
      else this.coming.set(block, left);
    }
    this.contextTokens += request.tokens;
    insertByEnd(this.decoding, { request, endProgress: this.progress + request.outputTokens - 1 });
    this.listener.firstToken(this, request, this.nowMs, cachedTokens);
  }

  #endDecode() {
    const { request } = this.decoding.shift();
    this.contextTokens -= request.tokens;
    this.#release(request);
    this.listener.done(this, request, this.nowMs);
  }

  /** Takes the prompt's blocks and room for its output, evicting idle ones; all or nothing. */
  #acquire(request) {
    const fresh = request.chain.filter((block) => !this.inUse.has(block) && !this.idle.has(block)).length;
    const waking = request.chain.filter((block) => this.idle.has(block)).length;
    const wanted = fresh + Math.ceil(request.outputTokens / this.blockTokens);
    const free = this.capacityBlocks - this.inUse.size - this.anonymous - this.idle.size;
    if (wanted > free + this.idle.size - waking) return this.inUse.size === 0 && this.#acquireAlone(request);
    for (const block of request.chain) {
      this.idle.delete(block);
      this.inUse.set(block, (this.inUse.get(block) ?? 0) + 1);
    }
    this.anonymous += Math.ceil(request.outputTokens / this.blockTokens);
    this.#evict();
    return true;
  }

  /** A prompt larger than the whole cache runs alone, so that nothing waits for ever. */
  #acquireAlone(request) {
    this.idle.clear();
    for (const block of request.chain) this.inUse.set(block, 1);
    this.anonymous += Math.ceil(request.outputTokens / this.blockTokens);
    return true;
  }

  #release(request) {
    this.anonymous -= Math.ceil(request.outputTokens / this.blockTokens);
    for (let i = request.chain.length - 1; i >= 0; i -= 1) {
      const users = this.inUse.get(request.chain[i]) - 1;
      if (users > 0) this.inUse.set(request.chain[i], users);
      else {
        this.inUse.delete(request.chain[i]);
        this.idle.set(request.chain[i], true);
      }
    }
    this.#evict();
  }

  #evict() {
    const room = this.capacityBlocks - this.inUse.size - this.anonymous;
    for (const block of this.idle.keys()) {
      if (this.idle.size <= room) break;
      this.idle.delete(block);
    }
  }
}

function insertByEnd(list, item) {
  let at = list.length;
  while (at > 0 && list[at - 1].endProgress > item.endProgress) at -= 1;
  list.splice(at, 0, item);
}
