import { chainHash } from './block-pool.js';
import { OutputText } from './output-text.js';
import { hashText, mix32 } from './seeded-random.js';

export type FinishReason = 'stop' | 'length' | 'abort' | 'error';

export interface RequestParameters {
  id: string;
  promptTokens: Int32Array;
  maxTokens: number;
  minTokens: number;
  ignoreEos: boolean;
  stop: readonly string[];
  stopTokenIds: readonly number[];
  /** Lower goes first under `--scheduling-policy priority`. */
  priority: number;
  /** Makes replies to one prompt differ: the request's `seed`, the index of the choice, the engine's own seed. */
  seed: number;
  /** Requests with different salts (or adapters) share no blocks. */
  cacheSalt: string;
}

/** What the engine says of a request after a tick; several tokens may come at once. */
export interface RequestOutput {
  text: string;
  tokenIds: number[];
  finishReason: FinishReason | null;
  stopReason: string | number | null;
}

/** One sequence on its way through the scheduler. Times are milliseconds of the loop's clock. */
export class EngineRequest {
  tokens: Int32Array;
  length: number;
  computed = 0;
  blocks: number[] = [];
  readonly hashes: number[] = [];
  cachedTokens = 0;
  generated = 0;
  scheduledMs = -1;
  firstTokenMs = -1;
  lastTokenMs = -1;
  preempted = false;
  finish: FinishReason | null = null;
  stopReason: string | number | null = null;

  readonly promptLength: number;
  readonly #reply: OutputText;
  readonly #heldBack: number;
  #text = '';
  #sent = 0;
  #newIds: number[] = [];

  constructor(
    readonly parameters: RequestParameters,
    readonly arrivedMs: number,
    readonly deliver: (output: RequestOutput) => void,
  ) {
    const { promptTokens, stop, seed } = parameters;
    this.promptLength = promptTokens.length;
    this.length = promptTokens.length;
    this.tokens = promptTokens;
    // The tail of the prompt stands for all of it: unlike prompts end unlike.
    const tail = chainHash(7, promptTokens, Math.max(0, promptTokens.length - 256), promptTokens.length);
    this.#reply = new OutputText(mix32((tail % 4294967296) ^ seed));
    this.#heldBack = stop.length === 0 ? 0 : Math.max(...stop.map((text) => text.length)) - 1;
  }

  get id(): string {
    return this.parameters.id;
  }

  /** Hash of full block `index`, from the request's tokens and all blocks before it. */
  blockHash(index: number, blockSize: number): number {
    for (let i = this.hashes.length; i <= index; i++) {
      const parent = i === 0 ? hashText(this.parameters.cacheSalt) : this.hashes[i - 1]!;
      this.hashes.push(chainHash(parent, this.tokens, i * blockSize, (i + 1) * blockSize));
    }
    return this.hashes[index]!;
  }

  /** One more output token at `nowMs`; sets `finish` when it was the last. */
  appendToken(nowMs: number): void {
    const { maxTokens, minTokens, ignoreEos, stopTokenIds } = this.parameters;
    const id = this.#reply.tokenId(this.generated);
    this.#push(id);
    this.#text += this.#reply.piece(this.generated);
    this.generated += 1;
    if (this.firstTokenMs < 0) this.firstTokenMs = nowMs;
    this.lastTokenMs = nowMs;
    this.#newIds.push(id);
    if (this.generated >= minTokens && this.#matchStop(id, stopTokenIds)) return;
    if (this.generated >= maxTokens) this.finish = 'length';
    else if (!ignoreEos && this.generated >= Math.max(minTokens, this.#reply.naturalLength))
      this.finish = 'stop';
  }

  /** Output since the last call; null when there is none yet (text that may become a stop string is held back). */
  takeOutput(): RequestOutput | null {
    const end = this.finish === null ? this.#text.length - this.#heldBack : this.#text.length;
    const text = end > this.#sent ? this.#text.slice(this.#sent, end) : '';
    if (text === '' && this.finish === null) return null;
    this.#sent += text.length;
    const tokenIds = this.#newIds;
    this.#newIds = [];
    return { text, tokenIds, finishReason: this.finish, stopReason: this.stopReason };
  }

  #matchStop(id: number, stopTokenIds: readonly number[]): boolean {
    if (stopTokenIds.includes(id)) {
      this.#stopAt(this.#text.length, id);
      return true;
    }
    for (const stop of this.parameters.stop) {
      const at = stop === '' ? -1 : this.#text.indexOf(stop, Math.max(0, this.#sent - stop.length));
      if (at < 0) continue;
      this.#stopAt(at, stop);
      return true;
    }
    return false;
  }

  #stopAt(textLength: number, reason: string | number): void {
    this.#text = this.#text.slice(0, textLength);
    this.finish = 'stop';
    this.stopReason = reason;
  }

  #push(token: number): void {
    if (this.length === this.tokens.length) {
      const grown = new Int32Array(this.length + Math.max(64, this.length >> 2));
      grown.set(this.tokens);
      this.tokens = grown;
    }
    this.tokens[this.length++] = token;
  }
}
