import type { ListenAddress } from '../config/listen-address.js';
import type { Logger } from '../runtime/logger.js';
import { createHttpListener, jsonAnswer, type HttpListener } from './http-listener.js';

export interface ProbeServerOptions {
  listen: ListenAddress;
  /** What keeps the process from being ready, in words; empty when it is. */
  notReady: () => string[];
  logger: Logger;
}

/**
 * `/livez` and `/readyz`, nothing else: this listener may be open to a whole network. Live means that the event loop answers;
 * a GPU or an engine that fails must never make an orchestrator restart the agent that reports it.
 */
export function createProbeServer({ listen, notReady, logger }: ProbeServerOptions): HttpListener {
  return createHttpListener({
    name: 'probe',
    listen,
    logger,
    routes: {
      '/livez': () => jsonAnswer(200, { live: true }),
      '/readyz': () => {
        const reasons = notReady();
        return jsonAnswer(reasons.length === 0 ? 200 : 503, { ready: reasons.length === 0, reasons });
      },
    },
  });
}
