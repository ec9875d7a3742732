/** Binds the reroute loop to one request: how an attempt at a leased endpoint is made, and what it tells the metrics. */
import type { ClientRequest } from '../request/client-request.js';
import { explainHeaders } from './explain-headers.js';
import { ForwardAttempt } from './forward-attempt.js';
import type { Lease } from '../admission/lease.js';
import { upstreamHeaders } from './relay-headers.js';
import { ResponseIdReader } from './response-id.js';
import { rerouteRequest, type RequestEnd } from '../reroute-request.js';
import type { ServeContext } from '../serve-context.js';

/** What goes to an engine, whichever it is. */
export interface Forwardable {
  method: string;
  target: string;
  body: Buffer | null;
  isJson: boolean;
}

/** A client that leaves its bytes unread for so long is gone. */
const clientStallMs = 5 * 60_000;

export function forwardRequest(
  client: ClientRequest,
  forwardable: Forwardable,
  context: ServeContext,
): Promise<RequestEnd> {
  const { admission, budget, retry, clock, metrics, ended } = context;
  return rerouteRequest(client, {
    admission,
    budget,
    retry,
    clock,
    metrics,
    ended,
    attempt: (lease, options) => forward(client, forwardable, lease, options, context),
  });
}

function forward(
  client: ClientRequest,
  { method, target, body, isJson }: Forwardable,
  lease: Lease,
  { fresh, attempts }: { fresh: boolean; attempts: number },
  context: ServeContext,
): ForwardAttempt {
  const { connections, limits, clock, metrics, exposePlacement, stopping } = context;
  const { url = '', nodeSilent = false } = lease.endpoint ?? {};
  const pathAt = url.indexOf('/', url.indexOf('//') + 2);
  const origin = pathAt < 0 ? url : url.slice(0, pathAt);
  const prefix = pathAt < 0 ? '' : url.slice(pathAt).replace(/\/$/, '');
  const { rawHeaders, headers } = client.exchange.head;
  const { model } = client;
  const trace = client.trace?.attempt(lease.endpointId, attempts);
  const attempt = new ForwardAttempt({
    connection: connections.acquire(origin, { silent: nodeSilent, fresh }),
    endpointId: lease.endpointId,
    method,
    path: prefix + target,
    headers: upstreamHeaders(rawHeaders, headers.connection, client.id, apiKeyOf(lease), trace?.headers),
    body,
    exchange: client.exchange,
    extraHeaders: () => {
      const extra = ['x-request-id', client.id];
      if (client.degraded !== '') extra.push('x-infernode-degraded', client.degraded);
      if (stopping()) extra.push('connection', 'close');
      if (exposePlacement)
        extra.push(
          'x-infernode-endpoint',
          lease.endpointId,
          'x-infernode-placement',
          lease.outcome,
          'x-infernode-attempts',
          `${attempts}`,
        );
      if (lease.explanation !== null) extra.push(...explainHeaders(lease.explanation));
      return extra;
    },
    dialect: client.routeName === 'responses' ? 'responses' : isJson ? 'openai' : 'unknown',
    readsUsage: isJson,
    firstByteTimeoutMs: limits.firstByteTimeoutMs,
    deadlineMs: client.admission.deadlineMs ?? Infinity,
    clientStallMs,
    clock,
    onFirstToken: (streamed) => {
      lease.firstToken();
      client.trace?.firstToken();
      // A whole answer comes when its last token is made: its time is that of the request.
      if (streamed) metrics.ttft.observe(model, (clock.monotonicMs() - client.startedMs) / 1000);
    },
    gaps: metrics.interToken.series(model),
    onBody: client.routeName === 'responses' ? readsResponseId(model, lease, context) : undefined,
    onRelayed: (events) => metrics.relayedEvents.inc(events),
    onPause: () => metrics.pauses.inc(),
    onUnread: (events) => metrics.unreadEvents.inc(events),
  });
  if (trace !== undefined)
    void attempt.ended.then((end) => trace.end(end.kind === 'lost' ? end.code : end.kind));
  client.attempt = attempt;
  context.track(attempt);
  return attempt;
}

/** Whoever refers to the response later has to go where it is. */
function readsResponseId(
  model: string,
  { endpointId, endpoint }: Lease,
  { responses }: ServeContext,
): (chunk: Buffer) => boolean {
  const incarnation = endpoint?.incarnation ?? '';
  const reader = new ResponseIdReader((id) => responses.seen(id, { model, endpointId, incarnation }));
  return (chunk) => reader.push(chunk);
}

/** A key per start that the agent hands to coordinators; the client's own never goes to an engine. */
function apiKeyOf({ endpoint }: Lease): string | undefined {
  return endpoint?.apiKey;
}
