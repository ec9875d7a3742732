/** The two HTTP listeners over real sockets: what they answer, and that nothing else does. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { Counter, Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import { formatAddress } from '../../../src/config/listen-address.js';
import { createHttpListener, jsonAnswer, type HttpListener } from '../../../src/metrics/http-listener.js';
import { createMetricsRegistry } from '../../../src/metrics/metrics-registry.js';
import { createMetricsServer } from '../../../src/metrics/metrics-server.js';
import { createProbeServer } from '../../../src/metrics/probe-server.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { ManualClock } from '../../support/manual-clock.js';
import { eventually } from '../../support/running-up.js';

const listen = { host: '127.0.0.1', port: 0 };
const logger = silentLogger();
let server: HttpListener;
afterEach(() => server.close());

async function get(path: string, init?: RequestInit): Promise<[number, string]> {
  const response = await fetch(`http://${formatAddress(server.address)}${path}`, init);
  return [response.status, await response.text()];
}

it('/metrics carries build information, process metrics and ours', async () => {
  const registry = createMetricsRegistry('agent', '1.2.3');
  new Counter({ name: 'infernode_test_total', help: 'x', registers: [registry] }).inc(3);
  server = createMetricsServer({ listen, registry, logger, scrapeTargets: () => [] });
  await server.start();
  const [status, text] = await get('/metrics');
  expect(status).toBe(200);
  expect(text).toContain('infernode_build_info{process="agent",version="1.2.3"');
  expect(text).toContain('infernode_test_total 3');
  expect(text).toContain('process_resident_memory_bytes');
  expect(await get('/sd')).toEqual([200, '[]\n']);
  expect((await get('/livez'))[0]).toBe(404);
});

it('a failing collector is a 500, and the next scrape works', async () => {
  const registry = new Registry();
  let fails = true;
  new Counter({
    name: 'a_total',
    help: 'x',
    registers: [registry],
    collect: () => {
      if (fails) throw new Error('cannot collect');
    },
  });
  server = createMetricsServer({ listen, registry, logger });
  await server.start();
  expect(await get('/metrics')).toEqual([500, '{"error":"cannot collect"}\n']);
  fails = false;
  expect((await get('/metrics'))[0]).toBe(200);
  expect((await get('/sd'))[0]).toBe(404);
});

it('/readyz gives its reasons; /livez does not depend on them', async () => {
  let reasons = ['no sample yet'];
  server = createProbeServer({ listen, notReady: () => reasons, logger });
  await server.start();
  expect(await get('/readyz')).toEqual([503, '{"ready":false,"reasons":["no sample yet"]}\n']);
  expect((await get('/livez'))[0]).toBe(200);
  reasons = [];
  expect(await get('/readyz?verbose')).toEqual([200, '{"ready":true,"reasons":[]}\n']);
  expect((await get('/metrics'))[0]).toBe(404);
  expect((await get('/readyz', { method: 'POST' }))[0]).toBe(405);
  expect(await get('/livez', { method: 'HEAD' })).toEqual([200, '']);
});

it('a taken port is said in words', async () => {
  server = createProbeServer({ listen, notReady: () => [], logger });
  await server.start();
  const second = createProbeServer({ listen: server.address, notReady: () => [], logger });
  await expect(second.start()).rejects.toThrow(/expected to listen for probe on 127.0.0.1:\d+: .*EADDRINUSE/);
  await second.close();
});

it('a client that connects and asks for nothing does not hold up the end', async () => {
  const clock = new ManualClock();
  const routes = { '/': () => jsonAnswer(200, {}) };
  server = createHttpListener({ name: 'test', listen, routes, logger, clock });
  await server.start();
  const socket = connect(server.address.port, server.address.host).on('error', () => undefined);
  await once(socket, 'connect');
  // An answer to a later connection: the listener has accepted the silent one by then.
  expect((await get('/'))[0]).toBe(200);
  const closed = server.close();
  clock.advance(1_000);
  await closed;
});

it('a header of 16 KiB is too large, and connections beyond 256 are closed; both cost nobody else anything', async () => {
  const routes = { '/': () => jsonAnswer(200, {}) };
  server = createHttpListener({ name: 'test', listen, routes, logger });
  await server.start();
  expect((await get('/', { headers: { 'x-large': 'x'.repeat(16 * 1024) } }))[0]).toBe(431);
  expect((await get('/'))[0]).toBe(200);

  const { host, port } = server.address;
  const sockets = Array.from({ length: 270 }, () => connect(port, host).on('error', () => undefined));
  const closed = new Promise((resolve) => sockets.forEach((socket) => socket.once('close', resolve)));
  await closed;
  for (const socket of sockets) socket.destroy();
  await eventually('it answers again', async () => (await get('/').catch(() => [0]))[0] === 200);
});
