// The gateway alone, in front of given upstreams, with the real placement. Prints its port.
import { Registry } from 'prom-client';
import { Gateway } from '../../dist/gateway/gateway-server.js';
import { GatewayMetrics } from '../../dist/gateway/gateway-metrics.js';
import { wordsWorthReading } from '../../dist/gateway/relay/sse-observer.js';
import { openEventRelay } from '../../dist/native/event-relay.js';
import { InMemoryModelPlacement } from '../../dist/placement/index.js';
import { systemClock } from '../../dist/runtime/clock.js';
import { silentLogger } from '../../dist/runtime/logger.js';
import { tuneForRequests } from '../../dist/runtime/tune-v8.js';
import { benchEndpoint } from './bench-endpoint.mjs';

// As the coordinator does.
tuneForRequests();
const placement = new InMemoryModelPlacement({});
const endpoints = new Map();
for (const port of process.argv[2].split(',')) {
  const endpoint = benchEndpoint(port);
  endpoints.set(endpoint.id, endpoint);
  placement.upsert(endpoint);
}
const routing = {
  modelNames: () => ['bench'],
  resolve: (model) => (model === 'bench' ? { model, placement } : null),
  endpoint: (id) => endpoints.get(id),
  onEvict: () => () => undefined,
  onChange: () => () => undefined,
};
const gateway = new Gateway({
  listen: { host: '127.0.0.1', port: 0 },
  limits: {
    maxBodyBytes: 16 * 1024 * 1024,
    maxQueuedRequests: 1024,
    queueTimeoutMs: 5000,
    firstByteTimeoutMs: 600_000,
    connectTimeoutMs: 2000,
    drainTimeoutMs: 1000,
  },
  retry: { maxAttempts: 4, baseMs: 100, capMs: 5000, jitterRatio: 0.1, budgetRatio: 0.1 },
  routing,
  hashSeed: 'bench',
  clock: systemClock,
  logger: silentLogger(),
  metrics: new GatewayMetrics(new Registry()),
  eventRelay: process.argv[3] === 'javascript' ? null : openEventRelay(wordsWorthReading, silentLogger()),
});
await gateway.start();
console.log(JSON.stringify({ port: gateway.address().port }));
process.on('SIGTERM', () => process.exit(0));
