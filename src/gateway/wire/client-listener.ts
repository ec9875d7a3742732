/** The listener that clients reach: its bound on connections, and a certificate that is replaced while streams run. */
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import type { ListenAddress } from '../../config/listen-address.js';
import type { TlsConfig } from '../../config/tls-config.js';
import { TlsFiles } from '../../rpc/tls-files.js';
import type { Clock, Timer } from '../../runtime/clock.js';
import { LiveSet } from '../../runtime/live-set.js';
import type { Logger } from '../../runtime/logger.js';
import type { GatewayMetrics } from '../gateway-metrics.js';
import { ClientConnection, type BadConnection, type ConnectionOwner } from './client-connection.js';
import type { ClientExchange } from './client-exchange.js';

/** How often connections are looked at that wait for something. */
const sweepEveryMs = 1_000;

export interface ClientListenerOptions {
  tls?: TlsConfig | undefined;
  /** Connections beyond are closed at once, and counted. */
  maxConnections: number;
  clock: Clock;
  logger: Logger;
  metrics: GatewayMetrics;
  serve: (exchange: ClientExchange) => void;
  /** An answer has left, or nobody is there to get it: once for each that was served. */
  served: () => void;
  /** The JSON that tells a client what was wrong with its bytes. */
  refusalBody: (message: string) => string;
}

export class ClientListener implements ConnectionOwner {
  readonly clock: Clock;
  readonly serve: (exchange: ClientExchange) => void;
  readonly served: () => void;
  readonly #options: ClientListenerOptions;
  readonly #connections = new LiveSet<ClientConnection>();
  readonly #server: Server;
  readonly #sweeper: Timer;

  /** Not listening yet. Throws `config-invalid` when the files of `tls` cannot be used. */
  constructor(options: ClientListenerOptions) {
    const { tls, maxConnections, clock, metrics } = options;
    this.#options = options;
    this.clock = clock;
    this.serve = options.serve;
    this.served = options.served;
    const take = (socket: Socket): void => this.#connections.add(new ClientConnection(socket, this));
    // Tokens are small writes; waiting for more of them is latency.
    this.#server = tls ? createTlsListener(tls, options, take) : createServer({ noDelay: true }, take);
    this.#server.maxConnections = maxConnections;
    this.#server.on('drop', () => metrics.badConnections.inc({ reason: 'too-many' }));
    this.#sweeper = clock.every(sweepEveryMs, () => this.#sweep());
  }

  /** Resolves with the port; rejects when it cannot be had. */
  listen({ host, port }: ListenAddress, onError: (error: Error) => void): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject).on('error', onError);
        const bound = this.#server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
      });
    });
  }

  /** Takes no new connections; resolves when the last one has gone. */
  close(): Promise<void> {
    return new Promise((resolve) =>
      this.#server.close(() => {
        this.#sweeper.cancel();
        resolve();
      }),
    );
  }

  destroyIdle(): void {
    for (const connection of this.#connections) if (connection.idle) connection.destroy();
  }

  destroyAll(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  refusal(why: BadConnection): string {
    const [status, text] = refusals[why];
    this.#options.metrics.badConnections.inc({ reason: status.slice(0, 3) });
    const body = this.#options.refusalBody(text);
    return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
  }

  closed(connection: ClientConnection): void {
    this.#connections.delete(connection);
  }

  #sweep(): void {
    const nowMs = this.clock.monotonicMs();
    for (const connection of this.#connections) connection.sweep(nowMs);
  }
}

/** What the parser refuses never becomes a request; it still gets an answer of the usual form. */
const refusals: Record<BadConnection, [status: string, message: string]> = {
  malformed: ['400 Bad Request', 'expected valid HTTP/1.1'],
  late: ['408 Request Timeout', 'the request did not arrive in time'],
  'head-too-large': ['431 Request Header Fields Too Large', 'the headers are too large'],
};

/** New connections get the newest usable pair; those that are open go on with theirs. */
function createTlsListener(
  { certificate, key, clientCa }: TlsConfig,
  { logger, metrics }: ClientListenerOptions,
  take: (socket: Socket) => void,
): TlsServer {
  const files = new TlsFiles({ certificate, key, ...(clientCa ? { ca: clientCa } : {}) });
  const mutual = clientCa ? { requestCert: true, rejectUnauthorized: true } : {};
  const options = { noDelay: true, ALPNProtocols: ['http/1.1'], ...files.secureContext, ...mutual };
  const server = createTlsServer(options, take);
  server.on('tlsClientError', (_, socket) => {
    metrics.badConnections.inc({ reason: 'tls' });
    socket.destroy();
  });
  const unwatch = files.watch(() => {
    if (files.problem === null) server.setSecureContext(files.secureContext);
    logger[files.problem === null ? 'info' : 'warn'](
      { listener: 'gateway', reason: files.problem ?? undefined },
      files.problem === null ? 'certificate replaced' : 'new certificate not usable, the old one stays',
    );
  });
  server.once('close', unwatch);
  metrics.observeCertificate(() => files.expiresAtMs);
  return server;
}
