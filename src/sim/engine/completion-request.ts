import { ApiError, badRequest, schemaError } from './api-error.js';
import { renderChatPrompt, type ChatMessage } from './chat-prompt.js';
import type { RequestParameters } from './engine-request.js';
import { hashText } from './seeded-random.js';
import { tokenizeText } from './tokenizer.js';

export type CompletionKind = 'chat' | 'completion';
export type Body = Readonly<Record<string, unknown>>;

/** A checked request: one entry of `prompts` per prompt, `n` choices for each. */
export interface CompletionRequest {
  kind: CompletionKind;
  model: string;
  stream: boolean;
  includeUsage: boolean;
  continuousUsage: boolean;
  returnTokenIds: boolean;
  echo: boolean;
  n: number;
  prompts: { tokens: Int32Array; text: string }[];
  /** Name of the function to call when the request forces one; the simulator calls tools only then. */
  forcedTool: string | null;
  /** Without id, prompt and the seed's choice part. */
  sampling: Omit<RequestParameters, 'id' | 'promptTokens'>;
}

export interface RequestLimits {
  servedNames: ReadonlySet<string>;
  defaultModel: string;
  maxModelLength: number;
  fcfs: boolean;
  forceUsage: boolean;
  engineSeed: number;
}

const mostChoices = 64;

/** Checks a body as vLLM does; throws ApiError. */
export function readCompletionRequest(
  kind: CompletionKind,
  body: Body,
  limits: RequestLimits,
): CompletionRequest {
  const model = readModel(body, limits);
  const prompts = kind === 'chat' ? [chatPrompt(body)] : completionPrompts(body['prompt']);
  const options = (body['stream_options'] ?? {}) as Body;
  const stream = body['stream'] === true;
  if (body['stream_options'] && !stream)
    throw schemaError('Stream options can only be defined when `stream=True`.');
  const longest = Math.max(...prompts.map(({ tokens }) => tokens.length));
  return {
    kind,
    model,
    stream,
    includeUsage: options['include_usage'] === true || limits.forceUsage,
    continuousUsage: options['continuous_usage_stats'] === true,
    returnTokenIds: body['return_token_ids'] === true,
    echo: body['echo'] === true,
    n: integer(body, 'n', 1, mostChoices) ?? 1,
    prompts,
    forcedTool: kind === 'chat' ? forcedTool(body) : null,
    sampling: readSampling(kind, body, limits, longest),
  };
}

export function readModel(body: Body, { servedNames, defaultModel }: RequestLimits): string {
  const model = body['model'];
  if (model === undefined || model === null || model === '') return defaultModel;
  if (typeof model !== 'string') throw schemaError('Input should be a valid string: model');
  if (!servedNames.has(model))
    throw new ApiError(404, 'NotFoundError', `The model \`${model}\` does not exist.`, 'model');
  return model;
}

function readSampling(
  kind: CompletionKind,
  body: Body,
  { maxModelLength, fcfs, engineSeed }: RequestLimits,
  promptLength: number,
): CompletionRequest['sampling'] {
  if (promptLength === 0) throw badRequest('The decoder prompt cannot be empty');
  if (promptLength >= maxModelLength)
    throw badRequest(
      `This model's maximum context length is ${maxModelLength} tokens. However, your request has ${promptLength} input tokens. Please reduce the length of the input messages.`,
      'input_tokens',
    );
  checkRange(body, 'temperature', 0, Infinity);
  checkRange(body, 'top_p', 0, 1);
  checkRange(body, 'presence_penalty', -2, 2);
  checkRange(body, 'frequency_penalty', -2, 2);
  const asked =
    integer(body, 'max_completion_tokens', 1, Infinity) ??
    integer(body, 'max_tokens', kind === 'chat' ? 1 : 0, Infinity);
  const rest = maxModelLength - promptLength;
  if (asked !== null && asked > rest)
    throw badRequest(
      `'max_tokens' or 'max_completion_tokens' is too large: ${asked}. This model's maximum context length is ${maxModelLength} tokens and your request has ${promptLength} input tokens (${asked} > ${maxModelLength} - ${promptLength}).`,
      'max_tokens',
    );
  const priority = integer(body, 'priority', -Infinity, Infinity) ?? 0;
  if (priority !== 0 && fcfs) throw badRequest('Got priority but --scheduling-policy is not priority');
  return {
    maxTokens: Math.max(1, asked ?? (kind === 'chat' ? rest : Math.min(16, rest))),
    minTokens: integer(body, 'min_tokens', 0, Infinity) ?? 0,
    ignoreEos: body['ignore_eos'] === true,
    stop: stopStrings(body['stop']),
    stopTokenIds: Array.isArray(body['stop_token_ids']) ? body['stop_token_ids'].map(Number) : [],
    priority,
    seed: (integer(body, 'seed', -Infinity, Infinity) ?? 0) ^ engineSeed,
    cacheSalt: typeof body['cache_salt'] === 'string' ? body['cache_salt'] : '',
  };
}

function integer(body: Body, name: string, least: number, most: number): number | null {
  const value = body[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'number' || !Number.isInteger(value))
    throw schemaError(`Input should be a valid integer: ${name}`);
  if (value < least || value > most)
    throw badRequest(`${name} must be at least ${least}, got ${value}.`, name);
  return value;
}

function checkRange(body: Body, name: string, least: number, most: number): void {
  const value = body[name];
  if (value === undefined || value === null) return;
  if (typeof value !== 'number') throw schemaError(`Input should be a valid number: ${name}`);
  if (value < least || value > most)
    throw badRequest(
      `${name} must be in [${least}, ${most === Infinity ? 'inf' : most}], got ${value}.`,
      name,
    );
}

function stopStrings(value: unknown): string[] {
  if (value === undefined || value === null) return [];
  const list = Array.isArray(value) ? value : [value];
  if (!list.every((one): one is string => typeof one === 'string'))
    throw schemaError('Input should be a valid string: stop');
  if (list.includes('')) throw badRequest('stop cannot contain an empty string.', 'stop');
  return list;
}

export function chatPrompt(body: Body): { tokens: Int32Array; text: string } {
  const messages = body['messages'];
  if (!Array.isArray(messages)) throw schemaError('Field required: messages');
  if (!messages.every((one: unknown) => typeof (one as ChatMessage | null)?.role === 'string'))
    throw schemaError('Field required: role');
  const tokens = renderChatPrompt(messages as ChatMessage[], {
    tools: body['tools'],
    addGenerationPrompt: body['add_generation_prompt'] !== false,
  });
  return { tokens, text: '' };
}

/** A text, several, token ids, or several lists of them. */
function completionPrompts(prompt: unknown): { tokens: Int32Array; text: string }[] {
  if (prompt === undefined || prompt === null) throw schemaError('Field required: prompt');
  if (typeof prompt === 'string') return [{ tokens: tokenizeText(prompt), text: prompt }];
  if (!Array.isArray(prompt) || prompt.length === 0)
    throw schemaError('Input should be a valid string: prompt');
  if (prompt.every((one): one is number => Number.isInteger(one)))
    return [{ tokens: Int32Array.from(prompt), text: '' }];
  return prompt.flatMap((one) => completionPrompts(one));
}

/** `tool_choice` of `required` or a named function; `auto` gives a plain text answer. */
function forcedTool(body: Body): string | null {
  const choice = body['tool_choice'];
  const tools = body['tools'] as { function?: { name?: string } }[] | undefined;
  if (choice === 'required') return tools?.[0]?.function?.name ?? null;
  return (choice as { function?: { name?: string } } | null | undefined)?.function?.name ?? null;
}

/** Seed of choice `index`: choices differ, and so do adapters. */
export function choiceSeed(seed: number, index: number, model: string): number {
  return seed ^ Math.imul(index, 0x27d4eb2f) ^ (hashText(model) & 0xff);
}
