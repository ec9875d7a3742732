/** What happens to one request: checked, understood, forwarded, and its end counted. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../domain/error-codes.js';
import { ClientRequest } from './client-request.js';
import { forwardRequest, type Forwardable } from './forward-request.js';
import { unknownModel, type RequestOutcome } from './gateway-metrics.js';
import type { GatewayRouting } from './gateway-routing.js';
import { sendError, type ErrorAnswer } from './openai-error.js';
import { parseRequest } from './parse-request.js';
import { discardBody, readBody } from './read-body.js';
import { renderPrompt } from './render-prompt.js';
import { requestedModel } from './request-model.js';
import { routeOf, type RequestRoute } from './request-route.js';
import type { RequestEnd } from './reroute-request.js';
import { spliceModel } from './scan-json.js';
import type { ServeContext } from './serve-context.js';

const maxHeaderCount = 100;

export async function serveRequest(
  request: IncomingMessage,
  response: ServerResponse,
  context: ServeContext,
): Promise<void> {
  const { clock, metrics, logger } = context;
  const client = new ClientRequest(request, response, clock.monotonicMs());
  metrics.inFlight.inc();
  try {
    const refusal = await serve(client, context);
    if (refusal !== null) refuse(client, refusal, context);
  } catch (error) {
    logger.error({ requestId: client.id, reason: messageOf(error) }, 'request failed inside the gateway');
    refuse(client, { code: 'internal', message: 'the gateway failed; its log has the request id' }, context);
  } finally {
    metrics.inFlight.dec();
  }
}

/** `null` when the request was answered, else what to say. */
async function serve(client: ClientRequest, context: ServeContext): Promise<ErrorAnswer | null> {
  const route = routeOf(client.path);
  const objection = objectionTo(client, route, context);
  if (route === null || objection !== null) return objection;
  client.routeName = route.name;
  if (route.name === 'models') {
    const answer = answerModels(client, route.model, context);
    if (answer === null) count(client, 200, 'ok', context);
    return answer;
  }
  const read = await readBody(client.request, context.limits.maxBodyBytes);
  if (read.kind === 'too-large')
    return {
      code: 'body-too-large',
      message: `expected a body of at most ${context.limits.maxBodyBytes} bytes`,
    };
  if (read.kind === 'client-gone') {
    count(client, 499, 'client-gone', context);
    return null;
  }
  const forwardable = understand(client, route, read.body, context);
  if ('code' in forwardable) return forwardable;
  context.budget.deposit();
  finish(client, await forwardRequest(client, forwardable, context), context);
  return null;
}

/** Whatever can be refused before the body is read. */
function objectionTo(
  client: ClientRequest,
  route: RequestRoute | null,
  context: ServeContext,
): ErrorAnswer | null {
  const { method = 'GET', headers, rawHeaders } = client.request;
  if (context.stopping())
    return { code: 'shutting-down', message: 'the gateway is shutting down; try another one' };
  if (rawHeaders.length > 2 * maxHeaderCount)
    return { code: 'request-invalid', message: `expected at most ${maxHeaderCount} headers`, status: 431 };
  const keys = context.keys();
  if (keys !== null && keys.identify(headers.authorization) === null)
    return { code: 'unauthenticated', message: 'expected a valid API key as bearer token' };
  if (route === null)
    return { code: 'path-unknown', message: `there is no ${client.path.slice(0, 200)} here` };
  if (route.methods !== null && !route.methods.includes(method)) {
    const allow = route.methods.join(', ');
    return { code: 'method-not-allowed', message: `expected ${allow}, got ${method}`, headers: { allow } };
  }
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    return { code: 'media-type-unsupported', message: 'expected a body without content-encoding' };
  if (route.name !== 'models' && route.name !== 'other' && !isJsonType(headers['content-type']))
    return { code: 'media-type-unsupported', message: 'expected content-type application/json' };
  return null;
}

/** Finds the model and how the prompt is placed; the body stays as it came, but for the bytes of an alias. */
function understand(
  client: ClientRequest,
  route: RequestRoute,
  body: Buffer,
  context: ServeContext,
): Forwardable | ErrorAnswer {
  const { routing, hasher } = context;
  const { headers, method = 'GET' } = client.request;
  if (route.name === 'other' || route.name === 'models') {
    const wanted = requestedModel(headers, body, routing);
    if ('code' in wanted) return wanted;
    const refusal = enter(client, wanted.model, { chain: [], tokens: Math.ceil(body.length / 4) }, routing);
    if (refusal !== null) return refusal;
    const renamed = wanted.bytes !== null && client.model !== wanted.model;
    const forwarded = renamed ? rename(body, wanted, client.model) : body;
    return { method, target: client.target, body: forwarded.length > 0 ? forwarded : null, isJson: false };
  }
  const parsed = parseRequest(body);
  if ('code' in parsed) return parsed;
  const resolved = routing.resolve(parsed.model);
  const prompt = resolved && hasher.chainOf(renderPrompt(route.name, resolved.model, parsed.json));
  const refusal = enter(client, parsed.model, prompt ?? { chain: [], tokens: 0 }, routing);
  if (refusal !== null) return refusal;
  const renamed = client.model !== parsed.model && parsed.modelBytes !== null;
  return {
    method,
    target: client.target,
    body: renamed
      ? spliceModel(body, parsed.modelBytes as { start: number; end: number }, client.model)
      : body,
    isJson: true,
  };
}

function enter(
  client: ClientRequest,
  requested: string,
  { chain, tokens }: { chain: readonly number[]; tokens: number },
  routing: GatewayRouting,
): ErrorAnswer | null {
  const resolved = routing.resolve(requested);
  if (resolved === null)
    return {
      code: 'model-unknown',
      message: `The model \`${requested.slice(0, 200)}\` does not exist.`,
      param: 'model',
    };
  client.model = resolved.model;
  client.admission = { ...resolved, chain, tokens, sessionKey: sessionKey(client.request) };
  return null;
}

function finish(client: ClientRequest, end: RequestEnd, context: ServeContext): void {
  const { metrics, clock } = context;
  const { model } = client;
  switch (end.kind) {
    case 'answered':
      if (end.usage !== null) {
        metrics.promptTokens.inc({ model }, end.usage.promptTokens ?? 0);
        metrics.cachedTokens.inc({ model }, end.usage.cachedTokens ?? 0);
        metrics.completionTokens.inc({ model }, end.usage.completionTokens ?? 0);
      }
      if (end.result === 'ok')
        metrics.endToEnd.observe(model, (clock.monotonicMs() - client.startedMs) / 1000);
      count(client, end.status, end.result, context);
      break;
    case 'held': {
      const { status, headers, body } = end.answer;
      if (!client.response.destroyed) client.response.writeHead(status, headers).end(body);
      count(client, status, 'engine-error', context);
      break;
    }
    case 'interrupted':
      context.logger.warn(
        { requestId: client.id, model, by: end.by, reason: end.message },
        'response interrupted after its first byte',
      );
      count(client, 200, 'interrupted', context);
      break;
    case 'client-gone':
      count(client, 499, 'client-gone', context);
      break;
    case 'failed': {
      const status = sendError(client.response, client.id, end);
      count(client, status, end.code === 'queue-full' ? 'queue-full' : 'unavailable', context);
    }
  }
}

function refuse(client: ClientRequest, answer: ErrorAnswer, context: ServeContext): void {
  const { request, response } = client;
  if (response.headersSent) response.destroy();
  const status = sendError(response, client.id, answer);
  if (!request.readableEnded) discardBody(request, 4 * context.limits.maxBodyBytes);
  count(client, status, answer.code === 'internal' ? 'unavailable' : 'rejected', context);
}

function answerModels(
  client: ClientRequest,
  wanted: string | null,
  { routing }: ServeContext,
): ErrorAnswer | null {
  const names = routing.modelNames();
  if (wanted !== null && !names.includes(wanted))
    return {
      code: 'model-unknown',
      message: `The model \`${wanted.slice(0, 200)}\` does not exist.`,
      param: 'model',
    };
  const card = (id: string): object => ({
    id,
    object: 'model',
    created: startedSeconds,
    owned_by: 'infernode',
  });
  const body = JSON.stringify(wanted === null ? { object: 'list', data: names.map(card) } : card(wanted));
  client.response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-request-id': client.id,
  });
  client.response.end(body);
  if (!client.request.readableEnded) client.request.resume();
  return null;
}

/** For display in `/v1/models`, where engines put the time of the call. */
const startedSeconds = Math.floor(Date.now() / 1000);

function count(
  client: ClientRequest,
  status: number,
  outcome: RequestOutcome,
  { metrics }: ServeContext,
): void {
  const { model = unknownModel, routeName: route } = client;
  metrics.requests.inc({ model, route, status, outcome });
}

function rename(
  body: Buffer,
  { bytes, quoted }: { bytes: { start: number; end: number } | null; quoted: boolean },
  model: string,
): Buffer {
  if (bytes === null) return body;
  if (quoted) return spliceModel(body, bytes, model);
  return Buffer.concat([body.subarray(0, bytes.start), Buffer.from(model), body.subarray(bytes.end)]);
}

function sessionKey({ headers }: IncomingMessage): string | undefined {
  const value = headers['x-session-id'] ?? headers['x-infernode-session'];
  return typeof value === 'string' && value !== '' ? value.slice(0, 256) : undefined;
}

function isJsonType(contentType: string | undefined): boolean {
  return /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(contentType ?? '');
}
