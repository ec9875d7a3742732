import type { ListenAddress } from '../config/listen-address.js';
import type { Logger } from '../runtime/logger.js';
import { createHttpListener, jsonAnswer, type HttpAnswer, type HttpListener } from './http-listener.js';

/** One engine as Prometheus' http_sd wants it. */
export interface ScrapeTarget {
  targets: string[];
  labels: Record<string, string>;
}

export interface MetricsServerOptions {
  listen: ListenAddress;
  registry: { contentType: string; metrics(): Promise<string> };
  logger: Logger;
  /** Answers `/sd`: what Prometheus should scrape besides this process. */
  scrapeTargets?: () => ScrapeTarget[];
  /** Answers `/autoscale/v1/models/MODEL`. */
  scaling?: (model: string) => HttpAnswer;
}

/** `/metrics` in the Prometheus text format. Scrapes that overlap share one collection, so that many cost one. */
export function createMetricsServer(options: MetricsServerOptions): HttpListener {
  const { listen, registry, logger, scrapeTargets, scaling } = options;
  let collecting: Promise<HttpAnswer> | null = null;
  const collect = async (): Promise<HttpAnswer> => {
    try {
      return { status: 200, contentType: registry.contentType, body: await registry.metrics() };
    } finally {
      collecting = null;
    }
  };
  return createHttpListener({
    name: 'metrics',
    listen,
    logger,
    routes: {
      '/metrics': () => (collecting ??= collect()),
      ...(scrapeTargets ? { '/sd': () => jsonAnswer(200, scrapeTargets()) } : {}),
    },
    prefixes: scaling ? { '/autoscale/v1/models/': scaling } : {},
  });
}
