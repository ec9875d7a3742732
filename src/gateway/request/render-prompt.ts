/**
 * Turns a request body into the text whose blocks become the prefix chain. What an engine would put first comes first:
 * system turns, tools, response format, then the other turns in order. Two bodies that mean the same give the same
 * text (member order and white space do not matter), and a conversation that goes on extends the text of its beginning.
 *
 * Every part ends with its length instead of starting with it: read from the end it is just as unambiguous, and a
 * prompt that grows keeps its first blocks. Media enter as digests, so that a picture costs 64 characters; text, also that
 * of tools and of their calls, as it is, because the engine computes it.
 */
import { hash } from 'node:crypto';

export type PromptKind = 'chat' | 'completions' | 'embeddings' | 'responses';

export interface RenderedPrompt {
  /** What the engine's cache is separate by: model (or adapter) and cache salt. Not part of the text. */
  scope: string;
  /** Empty when there is nothing to compare prompts by; then the request is placed by load. */
  text: string;
  /** Set instead of the text when the prompt came as token ids. */
  tokenIds: readonly number[] | null;
}

type Json = Record<string, unknown>;

export function renderPrompt(kind: PromptKind, model: string, body: Json): RenderedPrompt {
  const scope =
    part('M', model) + (typeof body['cache_salt'] === 'string' ? part('S', body['cache_salt']) : '');
  switch (kind) {
    case 'chat':
      return { scope, text: renderTurns(body, asArray(body['messages'])), tokenIds: null };
    case 'responses':
      return { scope, text: renderResponses(body), tokenIds: null };
    case 'completions':
      return { scope, ...renderPlain(body['prompt']) };
    case 'embeddings':
      return body['input'] === undefined
        ? { scope, text: renderTurns(body, asArray(body['messages'])), tokenIds: null }
        : { scope, ...renderPlain(body['input']) };
  }
}

/** What chat templates put into the prompt, or engines keep apart, besides the turns. */
const besideTurns = [
  'tools',
  'functions',
  'documents',
  'response_format',
  'structured_outputs',
  'chat_template',
  'chat_template_kwargs',
];

function renderTurns(body: Json, messages: readonly unknown[]): string {
  const firstTurn = messages.findIndex((m) => !isSystem(m));
  const systemTurns = firstTurn < 0 ? messages.length : firstTurn;
  let text = '';
  for (let i = 0; i < systemTurns; i++) text += renderMessage(messages[i]);
  for (const name of besideTurns)
    if (body[name] !== undefined && body[name] !== null)
      text += part('O', name) + part('V', canonical(body[name]));
  for (let i = systemTurns; i < messages.length; i++) text += renderMessage(messages[i]);
  return text;
}

function renderResponses(body: Json): string {
  const input = body['input'];
  const turns = typeof input === 'string' ? [{ role: 'user', content: input }] : asArray(input);
  const instructions = body['instructions'];
  const system = typeof instructions === 'string' ? [{ role: 'system', content: instructions }] : [];
  const format = isObject(body['text']) ? body['text']['format'] : undefined;
  return renderTurns({ ...body, response_format: format }, [...system, ...turns]);
}

/** Strings, token ids, or lists of either. */
function renderPlain(prompt: unknown): { text: string; tokenIds: readonly number[] | null } {
  if (typeof prompt === 'string') return { text: prompt === '' ? '' : part('P', prompt), tokenIds: null };
  const items = asArray(prompt);
  if (items.every((item) => typeof item === 'number')) return { text: '', tokenIds: items };
  if (items.every(Array.isArray))
    // -1 is no token: it keeps [[1,2],[3]] apart from [[1],[2,3]].
    return { text: '', tokenIds: items.flatMap((ids) => [...(ids as number[]), -1]).map(Number) };
  return { text: items.map((item) => renderContent(item)).join(''), tokenIds: null };
}

/** Empty when there is nothing but a role: requests without any text are placed by load, not all at one home. */
function renderMessage(message: unknown): string {
  if (!isObject(message)) return part('X', canonical(message));
  const role = message['role'];
  let text = '';
  for (const name of Object.keys(message).sort()) {
    const value = message[name];
    if (name === 'role' || name === 'content' || value === null || value === undefined) continue;
    text += part('O', name) + part('V', canonical(value));
  }
  text += renderContent(message['content']);
  return text === '' ? '' : part('R', typeof role === 'string' ? role : canonical(role)) + text;
}

/** A plain string and a single text part mean the same to an engine, and render the same. */
function renderContent(content: unknown): string {
  if (typeof content === 'string') return content === '' ? '' : part('T', content);
  if (Array.isArray(content)) return content.map((item) => renderContent(item)).join('');
  if (!isObject(content))
    return content === null || content === undefined ? '' : part('X', canonical(content));
  if (typeof content['text'] === 'string') return renderContent(content['text']);
  return part('D', canonical(content, digested));
}

/** Longest string of a media part that stays as it is; a longer one is base64 data, as everything in a data URL is. */
const longestVerbatim = 512;

function digested(text: string): string {
  const isMedia = text.length > longestVerbatim || text.startsWith('data:');
  return isMedia ? `sha256:${hash('sha256', text, 'hex')}` : text;
}

/** JSON with sorted members. Depth is bounded before (`maxJsonDepth`), so recursion is safe. */
function canonical(value: unknown, ofText: (text: string) => string = (text) => text): string {
  if (typeof value === 'string') return JSON.stringify(ofText(value));
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, ofText)).join(',')}]`;
  if (isObject(value))
    return `{${Object.keys(value)
      .sort()
      .map((name) => `${JSON.stringify(name)}:${canonical(value[name], ofText)}`)
      .join(',')}}`;
  return JSON.stringify(value) ?? 'null';
}

function part(kind: string, text: string): string {
  return `${kind}${text}\u0000${text.length};`;
}

function isSystem(message: unknown): boolean {
  return isObject(message) && (message['role'] === 'system' || message['role'] === 'developer');
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}
