/** A small HTTP listener with fixed GET paths: everything else is 404 or 405, and no handler can end the process. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatAddress, type ListenAddress } from '../config/listen-address.js';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import { systemClock, type Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { Service } from '../runtime/service.js';

export interface HttpAnswer {
  status: number;
  contentType: string;
  body: string;
}

export interface HttpListenerOptions {
  /** What it is, for messages: `metrics`, `probe`. */
  name: string;
  listen: ListenAddress;
  routes: Record<string, () => HttpAnswer | Promise<HttpAnswer>>;
  /** By their beginning, which ends in `/`; told the rest of the path, decoded. */
  prefixes?: Record<string, (rest: string) => HttpAnswer | Promise<HttpAnswer>>;
  logger: Logger;
  clock?: Clock;
}

export interface HttpListener extends Service {
  /** Valid after `start()`; holds the real port where 0 was asked for. */
  readonly address: ListenAddress;
}

const maxConnections = 256;
const maxHeaderBytes = 16 * 1024;
/**
 * What an answer under way may still take when the listener closes. A connection that has not asked for anything yet counts
 * as busy in Node, and Node stops its own time-outs on close: without this limit one such client keeps the process for ever.
 */
const closeGraceMs = 1_000;

export function jsonAnswer(status: number, value: unknown): HttpAnswer {
  return { status, contentType: 'application/json', body: `${JSON.stringify(value)}\n` };
}

export function createHttpListener({
  name,
  listen,
  routes,
  prefixes = {},
  logger,
  clock = systemClock,
}: HttpListenerOptions): HttpListener {
  let address = listen;
  let closing: Promise<void> | null = null;
  const paths = new Map(Object.entries(routes));
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: maxHeaderBytes },
    (request, response) => {
      void answer(request, response);
    },
  );
  server.maxConnections = maxConnections;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    let result: HttpAnswer;
    try {
      result = await route(request.method ?? '', path);
    } catch (error) {
      logger.error({ err: error, listener: name, path }, 'request failed');
      result = jsonAnswer(500, { error: messageOf(error) });
    }
    response.writeHead(result.status, {
      'content-type': result.contentType,
      'content-length': Buffer.byteLength(result.body),
    });
    response.end(request.method === 'HEAD' ? undefined : result.body);
  }

  function route(method: string, path: string): HttpAnswer | Promise<HttpAnswer> {
    const handler = paths.get(path) ?? below(path);
    if (!handler) return jsonAnswer(404, { error: 'path-unknown', paths: [...paths.keys()] });
    if (method !== 'GET' && method !== 'HEAD') return jsonAnswer(405, { error: 'method-not-allowed' });
    return handler();
  }

  function below(path: string): (() => HttpAnswer | Promise<HttpAnswer>) | undefined {
    const found = Object.entries(prefixes).find(([prefix]) => path.startsWith(prefix));
    if (!found) return undefined;
    const [prefix, handler] = found;
    try {
      const rest = decodeURIComponent(path.slice(prefix.length));
      return () => handler(rest);
    } catch {
      return () =>
        jsonAnswer(400, { error: 'argument-invalid', message: 'expected a path in percent encoding' });
    }
  }

  return {
    get address() {
      return address;
    },
    start: () =>
      new Promise((resolve, reject) => {
        const refuse = (error: Error): void =>
          reject(
            new InfernodeError(
              'config-invalid',
              `expected to listen for ${name} on ${formatAddress(listen)}: ${error.message}`,
              { cause: error },
            ),
          );
        server.once('error', refuse);
        server.listen(listen.port, listen.host, () => {
          server.off('error', refuse);
          server.on('error', (error) => logger.error({ err: error, listener: name }, 'listener failed'));
          address = { host: listen.host, port: (server.address() as AddressInfo).port };
          logger.info({ address: formatAddress(address), listener: name }, 'HTTP listens');
          resolve();
        });
      }),
    close: () => {
      closing ??= new Promise((resolve) => {
        if (!server.listening) return resolve();
        const timer = clock.after(closeGraceMs, () => server.closeAllConnections());
        server.close(() => {
          timer.cancel();
          resolve();
        });
        server.closeIdleConnections();
      });
      return closing;
    },
    destroy: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
