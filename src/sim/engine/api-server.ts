import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { ApiError, errorBody, schemaError } from './api-error.js';
import type { EngineLog } from './engine-log.js';
import type { EngineSettings } from './engine-settings.js';
import { string } from './engine-settings.js';
import { HttpMetrics } from './http-metrics.js';

export interface Call {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  requestId: string;
  /** Parsed JSON of a POST; `{}` without a body. Rejects with ApiError. */
  json: () => Promise<Record<string, unknown>>;
}

export type Handler = (call: Call) => Promise<void> | void;
/** `GET /health` and so on; `METHOD prefix/*` is not supported, every route is exact. */
export type Routes = ReadonlyMap<string, Handler>;

/** Requests above this are cut off; vLLM has no limit, but a test's mistake must not fill the memory. */
const mostBodyBytes = 64 * 1024 * 1024;
const guarded = /^\/(v1|v2|inference|cohere)(\/|$)/;
/** Answered before any fault or delay: the simulator's own control path. */
export const controlPath = '/sim/fault';

/** The HTTP surface around the routes: keys, errors, access log, request ids, load count. */
export class ApiServer {
  readonly server: Server;
  readonly metrics = new HttpMetrics();
  /** Milliseconds that every answer is late; a saturated API server. */
  delayMs = 0;
  inFlight = 0;
  routes: Routes = new Map();

  readonly #quiet: ReadonlySet<string>;

  constructor(
    readonly settings: EngineSettings,
    private readonly log: EngineLog,
  ) {
    const { flags } = settings;
    const level = string(flags, 'uvicorn-log-level') ?? 'info';
    const muted = flags.get('disable-uvicorn-access-log') === true || /warning|error|critical/.test(level);
    this.#quiet = new Set(
      muted
        ? ['*']
        : (string(flags, 'disable-access-log-for-endpoints') ?? '').split(',').map((path) => path.trim()),
    );
    this.server = createServer((request, response) => void this.#serve(request, response));
    this.server.keepAliveTimeout = 1000 * Number(process.env['VLLM_HTTP_TIMEOUT_KEEP_ALIVE'] ?? 5);
    this.server.requestTimeout = 0;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    const url = parseUrl(request.url ?? '/');
    const method = request.method ?? 'GET';
    const handler = this.routes.get(`${method} ${url.pathname}`);
    const header = request.headers['x-request-id'];
    const requestId = typeof header === 'string' && header !== '' ? header : randomUUID().replace(/-/g, '');
    this.inFlight += 1;
    // A listener on the data would take it from the handler, so the size is what the client says.
    const bytes = Number(request.headers['content-length'] ?? 0) || 0;
    response.once('close', () => {
      this.inFlight -= 1;
      this.#log(request, response, url.pathname);
      const route = this.#knows(url.pathname) ? url.pathname : 'none';
      this.metrics.observe(route, method, response.statusCode, (performance.now() - started) / 1000, bytes);
    });
    if (this.settings.flags.get('enable-request-id-headers') === true)
      response.setHeader('X-Request-Id', requestId);
    try {
      if (this.delayMs > 0 && url.pathname !== controlPath) await pause(this.delayMs);
      this.#authorize(request, url.pathname, response);
      if (response.writableEnded) return;
      if (!handler) throw this.#unknown(url.pathname);
      await handler({ request, response, url, requestId, json: () => readJson(request) });
    } catch (error) {
      this.sendError(response, error);
    }
  }

  sendError(response: ServerResponse, error: unknown): void {
    if (response.headersSent || response.destroyed) return void response.destroy();
    const known =
      error instanceof ApiError
        ? error
        : new ApiError(500, 'InternalServerError', error instanceof Error ? error.message : String(error));
    sendJson(response, known.status, errorBody(known, this.settings.simulation.version));
  }

  #authorize(request: IncomingMessage, path: string, response: ServerResponse): void {
    const { apiKeys } = this.settings;
    if (apiKeys.length === 0 || !guarded.test(path) || request.method === 'OPTIONS') return;
    const key = /^Bearer (.*)$/i.exec(request.headers.authorization ?? '')?.[1];
    // A string, not the usual object: a known peculiarity of vLLM that clients trip over.
    if (key === undefined || !apiKeys.includes(key)) sendJson(response, 401, { error: 'Unauthorized' });
  }

  #unknown(path: string): ApiError {
    return this.#knows(path)
      ? new ApiError(405, 'Method Not Allowed', 'Method Not Allowed')
      : new ApiError(404, 'Not Found', 'Not Found');
  }

  #knows(path: string): boolean {
    return this.routes.has(`GET ${path}`) || this.routes.has(`POST ${path}`);
  }

  #log(request: IncomingMessage, response: ServerResponse, path: string): void {
    if (this.#quiet.has('*') || this.#quiet.has(path) || path === controlPath) return;
    const peer = `${request.socket.remoteAddress ?? '-'}:${request.socket.remotePort ?? 0}`;
    const reason = response.statusMessage || '';
    this.log.uvicorn(
      `${peer} - "${request.method ?? ''} ${request.url ?? ''} HTTP/${request.httpVersion}" ${response.statusCode} ${reason}`.trimEnd(),
    );
  }
}

/** Any request line a client may send; what is no path at all is an unknown one. */
function parseUrl(text: string): URL {
  return URL.canParse(text, 'http://engine') ? new URL(text, 'http://engine') : new URL('http://engine/%20');
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

export function sendEmpty(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-length': 0 });
  response.end();
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > mostBodyBytes) throw new ApiError(413, 'Bad Request', 'Request body is too large');
    parts.push(part);
  }
  if (size === 0) return {};
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/json\b/i.test(type))
    throw schemaError("Unsupported Media Type: Only 'application/json' is allowed");
  return parseObject(Buffer.concat(parts).toString('utf8'));
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw schemaError(`JSON decode error: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw schemaError('Input should be a valid dictionary or object to extract fields from');
  return value as Record<string, unknown>;
}
