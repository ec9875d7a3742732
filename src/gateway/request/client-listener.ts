/** The HTTP listener that clients reach: its time-outs, its bound on connections, and a certificate that is replaced while streams run. */
import { createServer as createHttpServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import type { TlsConfig } from '../../config/tls-config.js';
import type { Logger } from '../../runtime/logger.js';
import { TlsFiles } from '../../rpc/tls-files.js';
import type { GatewayMetrics } from '../gateway-metrics.js';

/** Request headers must arrive within this time, and the whole request within five minutes. */
const headersTimeoutMs = 30_000;
const requestTimeoutMs = 5 * 60_000;
/** Longer than the idle limit of usual load balancers, so that they close first and no request meets a closing socket. */
const keepAliveTimeoutMs = 75_000;

export interface ClientListenerOptions {
  tls?: TlsConfig | undefined;
  /** Connections beyond are closed at once, and counted. */
  maxConnections: number;
  logger: Logger;
  metrics: GatewayMetrics;
}

/** Not listening yet. Throws `config-invalid` when the files of `tls` cannot be used. */
export function createClientListener({
  tls,
  maxConnections,
  logger,
  metrics,
}: ClientListenerOptions): Server {
  const options: ServerOptions = {
    keepAliveTimeout: keepAliveTimeoutMs,
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    // Tokens are small writes; waiting for more of them is latency.
    noDelay: true,
  };
  const server = tls ? createTlsListener(options, tls, logger, metrics) : createHttpServer(options);
  // The limit is checked (and said) per request; a silently shortened list would hide a header.
  server.maxHeadersCount = 0;
  server.maxConnections = maxConnections;
  server.on('drop', () => metrics.badConnections.inc({ reason: 'too-many' }));
  return server;
}

/** New connections get the newest usable pair; those that are open go on with theirs. */
function createTlsListener(
  options: ServerOptions,
  tls: TlsConfig,
  logger: Logger,
  metrics: GatewayMetrics,
): HttpsServer {
  const { certificate, key, clientCa } = tls;
  const files = new TlsFiles({ certificate, key, ...(clientCa ? { ca: clientCa } : {}) });
  const mutual = clientCa ? { requestCert: true, rejectUnauthorized: true } : {};
  const server = createHttpsServer({ ...options, ...files.secureContext, ...mutual });
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
