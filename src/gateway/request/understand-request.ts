/**
 * From a body to what can be forwarded: its model, how its prompt is placed, the most tokens it may generate. The body stays
 * as it came but for the bytes of an alias, and of the limit that a degradation step caps.
 */
import type { ClientRequest } from './client-request.js';
import type { AdmissionRequest } from '../admission/admission.js';
import type { Degraded } from '../admission/degradation.js';
import { fewEnginesStep } from '../admission/few-engines.js';
import type { ResponsePlace } from '../admission/response-places.js';
import type { Forwardable } from '../relay/forward-request.js';
import type { ErrorAnswer } from './openai-error.js';
import { parseRequest, type ParsedRequest } from './parse-request.js';
import type { PromptChain } from './prefix-chain.js';
import { renderPrompt, type PromptKind } from './render-prompt.js';
import { requestedModel, type RequestedModel } from './request-model.js';
import type { RequestRoute } from './request-route.js';
import type { RequestTerms } from './request-terms.js';
import { splice, type ByteRange } from './scan-json.js';
import type { ServeContext } from '../serve-context.js';

export interface Understood extends Forwardable {
  /** What it may use of the limits: its prompt, and the most it may generate. */
  promptTokens: number;
  maxTokens: number;
}

/** A response by its id, and what belongs to it: `/cancel`, `/input_items`. */
const storedResponse = /^\/v1\/responses\/([^/]+)/;

/** What is reserved for an answer whose length the client does not limit; the truth is settled at its end. */
const assumedAnswerTokens = 512;

export function understandRequest(
  client: ClientRequest,
  route: RequestRoute,
  body: Buffer,
  terms: RequestTerms,
  context: ServeContext,
): Understood | ErrorAnswer {
  return route.name === 'other' || route.name === 'models'
    ? understandOpaque(client, body, terms, context)
    : understandPrompt(client, route.name, body, terms, context);
}

function understandOpaque(
  client: ClientRequest,
  body: Buffer,
  terms: RequestTerms,
  context: ServeContext,
): Understood | ErrorAnswer {
  const { headers, method } = client.exchange.head;
  const id = storedResponse.exec(client.path)?.[1];
  const place = id === undefined ? null : context.responses.find(id);
  const wanted = place === null ? requestedModel(headers, body, context.routing) : ofPlace(place);
  if ('code' in wanted) return wanted;
  const promptTokens = Math.ceil(body.length / 4);
  const entered = enter(
    client,
    wanted.model,
    { chain: [], tokens: promptTokens, streams: false, only: place?.endpointId },
    terms,
    context,
  );
  if ('code' in entered) return entered;
  const renamed = wanted.bytes !== null && client.model !== wanted.model;
  const name = wanted.quoted ? JSON.stringify(client.model) : client.model;
  const forwarded = renamed ? splice(body, wanted.bytes as ByteRange, name) : body;
  return {
    method,
    target: client.target,
    body: forwarded.length > 0 ? forwarded : null,
    isJson: false,
    promptTokens,
    maxTokens: 0,
  };
}

/** A request for a stored response need not name its model: its engine is known. */
function ofPlace({ model }: ResponsePlace): RequestedModel {
  return { model, bytes: null, quoted: false };
}

function understandPrompt(
  client: ClientRequest,
  kind: PromptKind,
  body: Buffer,
  terms: RequestTerms,
  context: ServeContext,
): Understood | ErrorAnswer {
  const { routing, hasher, responses } = context;
  const parsed = parseRequest(body);
  if ('code' in parsed) return parsed;
  const resolved = routing.resolve(parsed.model);
  const prompt = resolved && hasher.chainOf(renderPrompt(kind, resolved.model, parsed.json));
  // Embeddings have no tokens to generate: their answer is the end of the prefill.
  const streams = kind === 'embeddings' || parsed.json['stream'] === true;
  const previous = kind === 'responses' ? parsed.json['previous_response_id'] : null;
  const only = typeof previous === 'string' ? responses.find(previous)?.endpointId : undefined;
  const entered = enter(
    client,
    parsed.model,
    { chain: prompt?.chain ?? [], tokens: prompt?.tokens ?? 0, streams, only },
    terms,
    context,
  );
  if ('code' in entered) return entered;
  const asked = kind === 'embeddings' ? 0 : limitOf(parsed);
  const cap = kind === 'embeddings' || entered.maxTokens === null ? Infinity : entered.maxTokens;
  return {
    method: client.exchange.head.method,
    target: client.target,
    body: rewrite(body, parsed, client.model, asked > cap ? { kind, cap } : null),
    isJson: true,
    promptTokens: prompt?.tokens ?? 0,
    maxTokens: Math.min(asked === Infinity ? assumedAnswerTokens : asked, cap),
  };
}

function enter(
  client: ClientRequest,
  requested: string,
  { chain, tokens, streams, only }: PromptChain & Pick<AdmissionRequest, 'streams' | 'only'>,
  { priority, deadlineMs, sessionKey }: RequestTerms,
  { routing, admission, degradation, fewEngines, hasher }: ServeContext,
): Degraded | ErrorAnswer {
  const resolved = routing.resolve(requested);
  if (resolved === null)
    return {
      code: 'model-unknown',
      message: `The model \`${requested.slice(0, 200)}\` does not exist.`,
      param: 'model',
    };
  client.model = resolved.model;
  const session = sessionKey === undefined ? undefined : hasher.sessionKeyOf(sessionKey);
  client.admission = {
    model: resolved.model,
    placement: resolved.placement,
    chain,
    tokens,
    streams,
    only,
    sessionKey: session,
    requestId: client.workId,
    priority,
    deadlineMs,
    exclude: new Set(),
  };
  const degraded = degradation.of(resolved.model, admission.waiting(resolved.placement), priority);
  client.degraded = [fewEngines.holds(resolved.placement) ? fewEnginesStep : '', degraded.names]
    .filter((name) => name !== '')
    .join(',');
  if (degraded.sheds)
    return {
      code: 'queue-full',
      message: `${resolved.model} is degraded (${degraded.names}) and refuses requests of priority ${priority}`,
      headers: { 'x-infernode-degraded': client.degraded },
    };
  return degraded;
}

/** The most tokens the request may generate; infinite when it does not say. */
function limitOf({ json }: ParsedRequest): number {
  const limit = json['max_completion_tokens'] ?? json['max_tokens'] ?? json['max_output_tokens'];
  return typeof limit === 'number' && limit >= 0 ? limit : Infinity;
}

/** Ranges from the back to the front, so that each still means what it meant in the original. */
function rewrite(
  body: Buffer,
  { model, scan }: ParsedRequest,
  ownName: string,
  capped: { kind: PromptKind; cap: number } | null,
): Buffer {
  const edits: { range: ByteRange; text: string }[] = [];
  if (ownName !== model && scan.model !== null)
    edits.push({ range: scan.model, text: JSON.stringify(ownName) });
  if (capped !== null) {
    for (const { value } of scan.limits) edits.push({ range: value, text: String(capped.cap) });
    if (scan.limits.length === 0)
      edits.push({
        range: { start: scan.start, end: scan.start },
        text: `"${capped.kind === 'responses' ? 'max_output_tokens' : 'max_tokens'}":${capped.cap},`,
      });
  }
  edits.sort((a, b) => b.range.start - a.range.start);
  return edits.reduce((bytes, { range, text }) => splice(bytes, range, text), body);
}
