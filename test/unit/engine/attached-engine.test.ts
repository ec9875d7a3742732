// An engine that somebody else runs: seen over HTTP only, never signalled.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EngineStatus } from '../../../src/domain/engine.js';
import { aDeviceStatus, deviceUuid } from '../../support/node-fixtures.js';
import { aFleet, type FleetCase } from '../../support/engine-fleet.js';

let server: Server;
let current: FleetCase;
let startTime = 1000;
let garbage = false;
/** Steps that its page tells, `null` for a page without; a canary is not answered while it hangs. */
let steps: number | null = null;

async function listen(port = 0): Promise<number> {
  server = createServer((request, response) => {
    if (request.url === '/v1/completions') return;
    if (garbage) response.end('{{{ not what you expect \u0000');
    else if (request.url === '/metrics')
      response.end(
        `process_start_time_seconds ${startTime}\nvllm:num_requests_running 3\n` +
          (steps === null ? '' : `vllm:iteration_tokens_total_count ${steps}\n`),
      );
    else if (request.url === '/v1/models') response.end('{"data":[{"id":"legacy"}]}');
    else response.end();
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function shut(): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

let port: number;
beforeEach(async () => {
  startTime = 1000;
  garbage = false;
  steps = null;
  port = await listen();
  current = aFleet(
    {},
    {
      engines: [
        {
          id: 'legacy',
          origin: 'attached',
          url: `http://127.0.0.1:${port}`,
          devices: [1],
          maxConcurrentRequests: 4,
          watchdogMs: 1000,
        },
      ],
    },
  );
});
afterEach(async () => {
  await current.clear();
  await shut();
});

const status = (): EngineStatus => current.status('legacy');

describe('an attached engine', () => {
  it('is ready when start() resolves, with its names, load and devices', async () => {
    await current.fleet.start();
    expect(status()).toMatchObject({
      origin: 'attached',
      state: 'ready',
      servedModels: ['legacy'],
      deviceUuids: [deviceUuid(1)],
      incarnation: '1000',
      pid: null,
      load: { running: 3 },
    });
  });

  it('fails when nobody listens, and is a new incarnation when another server is back', async () => {
    await current.fleet.start();
    await shut();
    expect(await current.until('failed')).toMatchObject({ evicting: true, reason: 'it refuses connections' });
    startTime = 2000;
    await listen(port);
    expect(await current.until('ready')).toMatchObject({ evicting: false, incarnation: '2000' });
  });

  it('is failed while its counter stands still with work and a canary is unanswered, and ready when it moves', async () => {
    steps = 7;
    await current.fleet.start();
    const hung = await current.until('failed');
    expect(hung).toMatchObject({ evicting: true, pid: null });
    expect(hung.reason).toMatch(/^hung: no step for \d+ s with 3 requests waiting; a one-token request/);
    expect(await current.metric('infernode_engine_hangs_total')).toBe(1);
    steps = 8;
    expect(await current.until('ready')).toMatchObject({ evicting: false, incarnation: '1000' });
  });

  it('keeps new work away while drained, and is never stopped or started', async () => {
    await current.fleet.start();
    await current.fleet.drainEngine('legacy');
    expect(status()).toMatchObject({ state: 'draining', evicting: false });
    await current.fleet.startEngine({ engineId: 'legacy' });
    expect(status().state).toBe('ready');
    await expect(current.fleet.startEngine({ engineId: 'legacy' })).rejects.toMatchObject({
      code: 'engine-attached',
    });
    await expect(current.fleet.stopEngine('legacy')).rejects.toMatchObject({ code: 'engine-attached' });
  });

  it('on a dead device its work is lost; it serves again when the device is well', async () => {
    await current.fleet.start();
    const sick = aDeviceStatus(1, { health: 'unhealthy', severity: 'fatal', reason: 'Xid 79' });
    current.fleet.applyDeviceStatus([sick]);
    expect(status()).toMatchObject({ state: 'draining', evicting: true });
    current.fleet.applyDeviceStatus([aDeviceStatus(1)]);
    expect(status()).toMatchObject({ state: 'ready', evicting: false });
  });

  it('survives answers that are no answers', async () => {
    garbage = true;
    await current.fleet.start();
    expect(status()).toMatchObject({ state: 'ready', servedModels: [], load: null });
  });

  it('carries cordons of its own', async () => {
    await current.fleet.start();
    current.fleet.cordonEngine('legacy', 'operator:ann', 'cable');
    expect(status().cordons).toMatchObject([{ holder: 'operator:ann', reason: 'cable' }]);
    current.fleet.uncordonEngine('legacy', 'operator:bob');
    expect(status().cordons).toHaveLength(1);
    current.fleet.uncordonEngine('legacy', 'operator:ann');
    expect(status().cordons).toEqual([]);
  });
});
