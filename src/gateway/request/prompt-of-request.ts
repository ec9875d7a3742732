import { InfernodeError } from '../../domain/error-codes.js';
import { parseRequest } from './parse-request.js';
import type { PrefixHasher, PromptChain } from './prefix-chain.js';
import { renderPrompt } from './render-prompt.js';
import { routeOf } from './request-route.js';

/**
 * Chain and tokens of a request as the gateway would find them; for those who place requests without sending them here.
 * Throws `argument-invalid`.
 */
export function promptOfRequest(
  hasher: PrefixHasher,
  request: { model: string; path: string; json: string },
): PromptChain {
  const { model, path, json } = request;
  const route = routeOf(path);
  if (route === null || route.name === 'models')
    throw new InfernodeError(
      'argument-invalid',
      `expected path to be one that engines answer, such as /v1/chat/completions, got "${path.slice(0, 100)}"`,
    );
  if (route.name === 'other') return { chain: [], tokens: Math.ceil(json.length / 4) };
  const parsed = parseRequest(Buffer.from(json));
  if ('code' in parsed) throw new InfernodeError('argument-invalid', `request_json: ${parsed.message}`);
  return hasher.chainOf(renderPrompt(route.name, model, parsed.json));
}
