import { mix32 } from './seeded-random.js';
import { charactersPerToken, tokenizeText } from './tokenizer.js';

/** Each piece is exactly one token, so that a reply quoted in the next turn hits the cache as it would in vLLM. */
const firstPieces = ['Once', 'Here', 'This', 'When', 'Most', 'Each', 'With', 'Then'];
const pieces = (
  ' the| and| for| are| can| one| two| all| you| was| has| its| may| now| out| per| our| set| run| new| use| how' +
  '| any| way| day| too| end| few| let| big| old| far| low| top| say| see| ask| try| get| add| cut| map| key| bit'
).split('|');
const idOfPiece = new Map([...firstPieces, ...pieces].map((piece) => [piece, tokenizeText(piece)[0] ?? 0]));

/** A reply ends by itself after 32 to 511 tokens unless the request says otherwise; the length depends on the prompt. */
const shortestReplyTokens = 32;
const replySpreadTokens = 480;

/** The deterministic reply to a prompt: piece i and the natural length depend only on the seed. */
export class OutputText {
  readonly naturalLength: number;

  constructor(private readonly seed: number) {
    this.naturalLength = shortestReplyTokens + (mix32(seed ^ 0x51ed270b) % replySpreadTokens);
  }

  piece(index: number): string {
    const from = index === 0 ? firstPieces : pieces;
    return from[mix32(this.seed + Math.imul(index, 0x9e3779b1)) % from.length] ?? ' the';
  }

  tokenId(index: number): number {
    return idOfPiece.get(this.piece(index)) ?? 0;
  }
}

export const pieceLength = charactersPerToken;
