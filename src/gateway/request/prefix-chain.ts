/**
 * The prefix chain of a rendered prompt: `h[i] = H(h[i-1], block i)`. H is SHA-256 over (seed digest, previous value,
 * block as UTF-8), of which the first 64 bits are kept and truncated to 53, so that a key is an exact integer in JS and
 * on the wire. SHA-256 because it is native here (0.12 ms for 100 kB, less than half of a hand-written 32-bit hash),
 * because any other language can follow it, and because nobody without the seed can aim for a collision.
 */
import { createHmac, hash } from 'node:crypto';
import type { RenderedPrompt } from './render-prompt.js';

/** Names rendering and hashing together: chains of another version must not be compared with these. */
export const chainVersion = 'infernode-sha256-53-v2';

/** Code points per block; at about four per token the 512 tokens that placement counts in. */
export const blockCodePoints = 2048;
export const blockTokenIds = 512;

/** Longest chain: two million tokens, beyond any context. It bounds the hashing of a 16 MiB body to about 10 ms. */
export const maxChainBlocks = 4096;

/** By which coordinators know that they have the same seed; the seed cannot be read from it. */
export function seedFingerprint(seed: string): string {
  return createHmac('sha256', seed).update(`${chainVersion}\u0000fingerprint`).digest('hex').slice(0, 16);
}

const maxRememberedScopes = 256;

export interface PromptChain {
  chain: number[];
  /** Estimate: a token per four code points; exact for token ids. */
  tokens: number;
}

export class PrefixHasher {
  readonly #seed: Buffer;
  /** Seed digest (32 bytes), previous value (8), block (UTF-8 takes at most 3 bytes per UTF-16 unit, 2 units per point). */
  readonly #scratch = Buffer.alloc(40 + blockCodePoints * 4 + 16);

  /** Origins of the scopes seen last: nearly all requests of a gateway are for a few models without a salt. */
  readonly #origins = new Map<string, number>();

  constructor(seed: string) {
    this.#seed = hash('sha256', `${chainVersion}\u0000${seed}`, 'buffer');
    this.#seed.copy(this.#scratch);
  }

  chainOf({ scope, text, tokenIds }: RenderedPrompt): PromptChain {
    const origin = this.#originOf(scope);
    return tokenIds === null ? this.#chainText(origin, text) : this.#chainTokens(origin, tokenIds);
  }

  /** What stands for a session from here on: its own name may be a person's, and decisions are logged. */
  sessionKeyOf(session: string): string {
    return hash(
      'sha256',
      Buffer.concat([this.#seed, Buffer.from(`session\u0000${session}`)]),
      'base64url',
    ).slice(0, 22);
  }

  #originOf(scope: string): number {
    const known = this.#origins.get(scope);
    if (known !== undefined) return known;
    const origin = this.#digest(0, scopeKey(scope));
    if (this.#origins.size >= maxRememberedScopes) this.#origins.clear();
    this.#origins.set(scope, origin);
    return origin;
  }

  #chainText(origin: number, text: string): PromptChain {
    const chain: number[] = [];
    let previous = origin;
    // Without surrogates code points are UTF-16 units and blocks are plain slices; for Latin-1 text this test is free.
    const plain = !/[\ud800-\udfff]/.test(text);
    let codePoints = plain ? text.length : 0;
    for (let start = 0; start < text.length && chain.length < maxChainBlocks;) {
      const end = plain ? start + blockCodePoints : endOfBlock(text, start);
      if (!plain) codePoints += end < text.length ? blockCodePoints : countCodePoints(text, start);
      previous = this.#digest(previous, text.slice(start, end));
      chain.push(previous);
      start = end;
    }
    return { chain, tokens: Math.ceil(codePoints / 4) };
  }

  #chainTokens(origin: number, ids: readonly number[]): PromptChain {
    const chain: number[] = [];
    let previous = origin;
    for (let start = 0; start < ids.length && chain.length < maxChainBlocks; start += blockTokenIds) {
      previous = this.#digestLong(previous, ids.slice(start, start + blockTokenIds).join(','));
      chain.push(previous);
    }
    return { chain, tokens: ids.length };
  }

  #digest(previous: number, block: string): number {
    if (block.length > blockCodePoints * 2) return this.#digestLong(previous, block);
    this.#scratch.writeDoubleLE(previous, 32);
    const length = this.#scratch.write(block, 40, 'utf8');
    return truncate(hash('sha256', this.#scratch.subarray(0, 40 + length), 'buffer'));
  }

  #digestLong(previous: number, block: string): number {
    const head = Buffer.from(this.#scratch.subarray(0, 40));
    head.writeDoubleLE(previous, 32);
    return truncate(hash('sha256', Buffer.concat([head, Buffer.from(block)]), 'buffer'));
  }
}

/** The top 53 of the first 64 bits, big endian. */
function truncate(digest: Buffer): number {
  return digest.readUInt32BE(0) * 0x200000 + (digest.readUInt32BE(4) >>> 11);
}

/** A client chooses its salt; a long one must not overflow the scratch buffer. */
function scopeKey(scope: string): string {
  return scope.length > blockCodePoints ? hash('sha256', scope, 'hex') : scope;
}

function endOfBlock(text: string, start: number): number {
  let i = start;
  for (let points = 0; points < blockCodePoints && i < text.length; points++) i += unitsAt(text, i);
  return i;
}

function countCodePoints(text: string, start: number): number {
  let points = 0;
  for (let i = start; i < text.length; i += unitsAt(text, i)) points += 1;
  return points;
}

function unitsAt(text: string, i: number): 1 | 2 {
  return (text.codePointAt(i) ?? 0) > 0xffff ? 2 : 1;
}
