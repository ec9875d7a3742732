import { mix32 } from './seeded-random.js';

/** Characters (UTF-16 units) in one token: English text has about four. */
export const charactersPerToken = 4;
/** Ids below are special tokens; the rest are hashes of four characters. */
const firstTextId = 1000;
const vocabularySize = 128_000;

export const specialTokens = { begin: 1, startOfTurn: 2, endOfHeader: 3, endOfTurn: 4, media: 5 } as const;

/** Texts of ids seen lately, so that `/detokenize` can answer; a hash cannot be turned round. Bounded. */
const seenTexts = new Map<number, string>();
const seenLimit = 65_536;

/**
 * Deterministic stand-in for a tokenizer: every four characters are one token, counted from the start of the text, so
 * equal beginnings give equal tokens and a reply quoted in the next turn gives the tokens that were generated.
 */
export function tokenizeText(text: string): Int32Array {
  const count = Math.ceil(text.length / charactersPerToken);
  const tokens = new Int32Array(count);
  for (let i = 0; i < count; i++) tokens[i] = tokenAt(text, i * charactersPerToken);
  return tokens;
}

function tokenAt(text: string, start: number): number {
  let hash = 0x2545f491;
  const end = Math.min(text.length, start + charactersPerToken);
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return firstTextId + (mix32(hash ^ (end - start)) % vocabularySize);
}

/** The pieces of the text behind its tokens; remembers them for `detokenize`. */
export function tokenPieces(text: string): string[] {
  const pieces: string[] = [];
  for (let start = 0; start < text.length; start += charactersPerToken) {
    const piece = text.slice(start, start + charactersPerToken);
    pieces.push(piece);
    if (seenTexts.size < seenLimit) seenTexts.set(tokenAt(text, start), piece);
  }
  return pieces;
}

/** Text of ids that `tokenPieces` saw; others come back as a mark. */
export function detokenize(tokens: readonly number[]): string {
  return tokens.map((token) => seenTexts.get(token) ?? '�').join('');
}
