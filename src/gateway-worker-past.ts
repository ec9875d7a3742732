/**
 * Requests that began and ended between two messages of a worker, as numbers: under load nearly all requests are, and a record of
 * text costs both its writer and each of its readers ten times as much.
 */
import type { PlacedLease } from './placement/placement-types.js';

/** What is known of one; its ids mean nothing to anybody any more. */
export interface PastRequest extends Omit<PlacedLease, 'id' | 'requestId'> {
  started: boolean;
  cachedTokens: number | undefined;
}

export interface PastRequests {
  endpointIds: readonly string[];
  /** By request: index of the endpoint, tokens, uncached tokens, flags, cached tokens (-1: unknown), length of the chain, the chain. */
  numbers: Float64Array;
}

export const nonePast: PastRequests = { endpointIds: [], numbers: new Float64Array(0) };

const fixedNumbers = 6;
const flags = { streams: 1, started: 2 } as const;

export class PastWriter {
  #endpointIds: string[] = [];
  #numbers = new Float64Array(4096);
  #length = 0;

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  add(lease: PlacedLease, started: boolean, cachedTokens: number | undefined): void {
    const { endpointId, tokens, uncachedTokens, streams, chain } = lease;
    const numbers = this.#roomFor(fixedNumbers + chain.length);
    let at = this.#length;
    numbers[at++] = this.#indexOf(endpointId);
    numbers[at++] = tokens;
    numbers[at++] = uncachedTokens;
    numbers[at++] = (streams ? flags.streams : 0) | (started ? flags.started : 0);
    numbers[at++] = cachedTokens ?? -1;
    numbers[at++] = chain.length;
    for (const key of chain) numbers[at++] = key;
    this.#length = at;
  }

  /** All since the last time. */
  take(): PastRequests {
    const past = { endpointIds: this.#endpointIds, numbers: this.#numbers.slice(0, this.#length) };
    this.#endpointIds = [];
    this.#length = 0;
    return past;
  }

  #indexOf(endpointId: string): number {
    const known = this.#endpointIds.indexOf(endpointId);
    return known < 0 ? this.#endpointIds.push(endpointId) - 1 : known;
  }

  #roomFor(more: number): Float64Array {
    if (this.#length + more > this.#numbers.length) {
      const larger = new Float64Array(2 * (this.#length + more));
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    return this.#numbers;
  }
}

export function readPast(
  { endpointIds, numbers }: PastRequests,
  visit: (request: PastRequest) => void,
): void {
  for (let at = 0; at < numbers.length;) {
    const [endpoint, tokens, uncachedTokens, set, cachedTokens, length] = [
      numbers[at]!,
      numbers[at + 1]!,
      numbers[at + 2]!,
      numbers[at + 3]!,
      numbers[at + 4]!,
      numbers[at + 5]!,
    ];
    at += fixedNumbers;
    const chain: number[] = [];
    for (const end = at + length; at < end; at++) chain.push(numbers[at]!);
    visit({
      endpointId: endpointIds[endpoint]!,
      tokens,
      uncachedTokens,
      chain,
      streams: (set & flags.streams) !== 0,
      started: (set & flags.started) !== 0,
      cachedTokens: cachedTokens < 0 ? undefined : cachedTokens,
    });
  }
}
