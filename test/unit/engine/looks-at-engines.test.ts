// When engines are looked at: on whole seconds of a clock that moves only here; pages each second while there is work, else each ten.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { AttachedEngine } from '../../../src/engine/attached-engine.js';
import { noInputs } from '../../../src/engine/engine-inputs.js';
import { EngineMetrics } from '../../../src/engine/engine-metrics.js';
import type { EngineProbe } from '../../../src/engine/probe-engine.js';
import { EngineWatch } from '../../../src/engine/watch-engine.js';
import { ManualClock } from '../../support/manual-clock.js';

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
};

it.each([
  [true, 60, 1000],
  [false, 6, 2000],
])('busy %s: %i pages in a minute, and a look each %i ms', async (busy, pages, eachMs) => {
  const clock = new ManualClock(1_000_300);
  const seen = { looks: [] as number[], pages: 0 };
  const probe: Partial<EngineProbe> = {
    health: async () => (seen.looks.push(clock.monotonicMs()), { kind: 'ok' }),
    metrics: async () => (seen.pages++, null),
  };
  const watch = new EngineWatch(probe as EngineProbe, clock, {
    onReady: () => undefined,
    onPage: () => undefined,
    isBusy: () => busy,
    onUnclear: () => undefined,
    onGone: () => undefined,
  });
  await watch.start();
  seen.pages = 0;
  for (let second = 0; second < 60; second++) {
    clock.advance(1000);
    await turns();
  }
  watch.stop();
  expect(seen.pages).toBe(pages);
  expect(seen.looks.slice(1)).toEqual(
    Array.from({ length: 60_000 / eachMs }, (_, n) => Math.ceil(1_000_300 / eachMs) * eachMs + eachMs * n),
  );
});

it('an attached engine is asked for its page and its names seldom while no work is in flight', async () => {
  const asked: Record<string, number> = {};
  const server = createServer(({ url = '' }, response) => {
    asked[url] = (asked[url] ?? 0) + 1;
    response.end(url === '/v1/models' ? '{"data":[{"id":"legacy"}]}' : 'vllm:num_requests_running 0\n');
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const clock = new ManualClock();
  let leases = 0;
  const engine = new AttachedEngine({
    config: {
      id: 'legacy',
      origin: 'attached',
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      devices: [],
      maxConcurrentRequests: 4,
      watchdogMs: 30_000,
    },
    deviceUuids: [],
    context: {
      clock,
      inputs: {
        ...noInputs,
        workOn: () => Array.from({ length: leases }, (_, n) => ({ leaseId: `${n}`, requestId: `${n}` })),
      },
      metrics: new EngineMetrics(new Registry(), 'node'),
    },
    onChange: () => undefined,
  });
  const look = async (): Promise<void> => {
    const before = asked['/health'] ?? 0;
    clock.advance(1000);
    await expect.poll(() => asked['/health'], { interval: 1 }).toBe(before + 1);
    // The look is over when the next one is planned.
    await expect.poll(() => clock.pending, { interval: 1 }).toBe(1);
  };
  await engine.start();
  for (let second = 0; second < 20; second++) await look();
  expect(asked).toEqual({ '/health': 21, '/metrics': 3, '/v1/models': 3 });
  leases = 1;
  for (let second = 0; second < 5; second++) await look();
  expect(asked['/metrics']).toBe(8);
  engine.close();
  await new Promise((resolve) => server.close(resolve));
});
