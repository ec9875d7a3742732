import { specialTokens, tokenizeText } from './tokenizer.js';

export interface ChatMessage {
  role: string;
  content?: string | null | ({ type?: string; text?: string } | null)[];
}

/** Tokens that a picture or a sound takes in the prompt; about one tile of common vision models. */
const mediaTokens = 256;

/** The prompt of a conversation: one header and one end mark per turn, text parts in order, tools in front. */
export function renderChatPrompt(
  messages: readonly ChatMessage[],
  options: { tools?: unknown; addGenerationPrompt: boolean },
): Int32Array {
  const parts: (Int32Array | number)[] = [specialTokens.begin];
  if (options.tools) pushTurn(parts, 'tools', [JSON.stringify(options.tools)]);
  for (const message of messages) pushTurn(parts, message.role, contentOf(message));
  if (options.addGenerationPrompt) pushHeader(parts, 'assistant');
  return joinTokens(parts);
}

function contentOf({ content }: ChatMessage): (string | null)[] {
  if (typeof content === 'string') return [content];
  if (!Array.isArray(content)) return [];
  return content.map((part) => (typeof part?.text === 'string' ? part.text : null));
}

function pushHeader(parts: (Int32Array | number)[], role: string): void {
  parts.push(specialTokens.startOfTurn, tokenizeText(role), specialTokens.endOfHeader);
}

function pushTurn(parts: (Int32Array | number)[], role: string, content: (string | null)[]): void {
  pushHeader(parts, role);
  for (const text of content)
    parts.push(text === null ? new Int32Array(mediaTokens).fill(specialTokens.media) : tokenizeText(text));
  parts.push(specialTokens.endOfTurn);
}

function joinTokens(parts: readonly (Int32Array | number)[]): Int32Array {
  const length = parts.reduce<number>((sum, part) => sum + (typeof part === 'number' ? 1 : part.length), 0);
  const tokens = new Int32Array(length);
  let at = 0;
  for (const part of parts) {
    if (typeof part === 'number') tokens[at++] = part;
    else {
      tokens.set(part, at);
      at += part.length;
    }
  }
  return tokens;
}
