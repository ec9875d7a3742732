/** What happens to one request: checked, understood, forwarded, and its end counted. */
import { messageOf } from '../domain/error-codes.js';
import { ClientRequest } from './request/client-request.js';
import type { ApiKey } from './keys/api-keys.js';
import { forwardRequest } from './relay/forward-request.js';
import { unknownModel, type RequestOutcome } from './gateway-metrics.js';
import { sendError, type ErrorAnswer } from './request/openai-error.js';
import { routeOf, type RequestRoute } from './request/request-route.js';
import { termsOf } from './request/request-terms.js';
import type { RequestEnd } from './reroute-request.js';
import type { ServeContext } from './serve-context.js';
import type { StreamUsage } from './relay/sse-observer.js';
import { understandRequest, type Understood } from './request/understand-request.js';
import type { ClientExchange } from './wire/client-exchange.js';

const maxHeaderCount = 100;

export async function serveRequest(exchange: ClientExchange, context: ServeContext): Promise<void> {
  const { clock, metrics, logger } = context;
  const client = new ClientRequest(exchange, clock.monotonicMs());
  client.trace = context.tracing()?.begin(exchange.head.method, exchange.head.headers) ?? null;
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
  const read = await client.exchange.readBody(context.limits.maxBodyBytes);
  if (read.kind === 'too-large')
    return {
      code: 'body-too-large',
      message: `expected a body of at most ${context.limits.maxBodyBytes} bytes`,
    };
  if (read.kind === 'client-gone') {
    count(client, 499, 'client-gone', context);
    return null;
  }
  const { key } = client;
  const terms = termsOf(client.exchange.head.headers, client.startedMs, key?.priority ?? null);
  if ('code' in terms) return terms;
  const understood = understandRequest(client, route, read.body, terms, context);
  if ('code' in understood) return understood;
  if (key !== null) {
    const refusal = await context.keyUsage.reserve(key, understood.promptTokens + understood.maxTokens);
    if (refusal !== null) return refusal;
  }
  context.budget.deposit();
  const end = await forwardRequest(client, understood, context);
  if (key !== null) settle(client, key, understood, end, context);
  finish(client, end, context);
  return null;
}

/** What the request has really used of its key's limits: as the engine says, else by what went to the client. */
function settle(
  client: ClientRequest,
  key: ApiKey,
  { promptTokens, maxTokens }: Understood,
  end: RequestEnd,
  { keyUsage }: ServeContext,
): void {
  const reserved = promptTokens + maxTokens;
  const usage = end.kind === 'answered' ? end.usage : null;
  keyUsage.count(key, usage ?? estimated(client, promptTokens, end));
  const { promptTokens: prompt, completionTokens: answer } = usage ?? estimated(client, promptTokens, end);
  keyUsage.settle(key, reserved - (prompt ?? promptTokens) - (answer ?? 0));
}

/** Nothing where no engine worked; an event is a token where none is reported. */
function estimated(client: ClientRequest, promptTokens: number, { kind }: RequestEnd): StreamUsage {
  const worked = kind === 'answered' || kind === 'interrupted' || (client.attempt?.seenEvents ?? 0) > 0;
  return {
    promptTokens: worked ? promptTokens : 0,
    completionTokens: client.attempt?.seenEvents ?? 0,
    cachedTokens: null,
  };
}

/** Whatever can be refused before the body is read. */
function objectionTo(
  client: ClientRequest,
  route: RequestRoute | null,
  context: ServeContext,
): ErrorAnswer | null {
  const { method, headers, rawHeaders } = client.exchange.head;
  if (context.stopping())
    return { code: 'shutting-down', message: 'the gateway is shutting down; try another one' };
  if (rawHeaders.length > 2 * maxHeaderCount)
    return { code: 'request-invalid', message: `expected at most ${maxHeaderCount} headers`, status: 431 };
  const keys = context.keys();
  if (keys === 'unavailable')
    return { code: 'keys-unavailable', message: 'the store of keys has not answered yet' };
  client.key = keys?.identify(headers.authorization) ?? null;
  if (keys !== null && client.key === null)
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
      client.exchange.begin(status, headers);
      client.exchange.end(body);
      count(client, status, 'engine-error', context);
      break;
    }
    case 'interrupted':
      context.logger.warn(
        { requestId: client.id, workId: client.workId, model, by: end.by, reason: end.message },
        'response interrupted after its first byte',
      );
      count(client, 200, 'interrupted', context);
      break;
    case 'client-gone':
      count(client, 499, 'client-gone', context);
      break;
    case 'failed': {
      const status = sendError(client.exchange, client.id, end);
      // What took engines along is found again by `workId` when agents suspect it.
      if (end.code.startsWith('endpoint-'))
        context.logger.warn(
          { requestId: client.id, workId: client.workId, model, reason: end.message },
          'request lost with its endpoints',
        );
      count(client, status, end.code === 'queue-full' ? 'queue-full' : 'unavailable', context);
    }
  }
}

function refuse(client: ClientRequest, answer: ErrorAnswer, context: ServeContext): void {
  const { exchange } = client;
  if (exchange.begun) exchange.destroy();
  if (!exchange.complete) exchange.discardBody(4 * context.limits.maxBodyBytes);
  const status = sendError(exchange, client.id, answer);
  count(client, status, answer.code === 'internal' ? 'unavailable' : 'rejected', context);
}

function answerModels(
  client: ClientRequest,
  wanted: string | null,
  { routing, limits }: ServeContext,
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
  if (!client.exchange.complete) client.exchange.discardBody(limits.maxBodyBytes);
  client.exchange.begin(200, ['content-type', 'application/json', 'x-request-id', client.id]);
  client.exchange.end(Buffer.from(body));
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
  client.trace?.end({ model, route, status, outcome });
}

function isJsonType(contentType: string | undefined): boolean {
  return /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(contentType ?? '');
}
