// Series go with their model: not while an engine restarts, but when nobody has served it for long.
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { ForgetModels, keptMs } from '../../../src/gateway/observe/forget-models.js';
import { GatewayMetrics, unknownModel } from '../../../src/gateway/gateway-metrics.js';
import { FakeRouting } from '../../support/gateway-harness.js';
import { ManualClock } from '../../support/manual-clock.js';

test('the series of a model go when nobody has served it for long; those of others stay', async () => {
  const clock = new ManualClock();
  const registry = new Registry();
  const metrics = new GatewayMetrics(registry);
  const served = new FakeRouting();
  let adapter = true;
  const routing = {
    resolve: (name: string) =>
      name === 'adapter' && adapter ? served.resolve('model') : served.resolve(name),
  };
  const forget = new ForgetModels({ routing, metrics, clock });
  // The test sweeps by hand, one sweep at a time.
  forget.close();
  for (const model of ['model', 'adapter', unknownModel]) {
    metrics.requests.inc({ model, route: 'chat', status: 200, outcome: 'ok' });
    metrics.requests.inc({ model, route: 'chat', status: 503, outcome: 'unavailable' });
    for (const series of [metrics.ttft, metrics.interToken, metrics.endToEnd, metrics.queueWait])
      series.observe(model, 0.1);
    for (const series of [metrics.promptTokens, metrics.cachedTokens, metrics.completionTokens])
      series.inc({ model }, 1);
    metrics.queued.set({ model }, 0);
  }
  const models = async (): Promise<string[]> =>
    [
      ...new Set(
        [...(await registry.metrics()).matchAll(/model="([^"]+)"/g)].map(([, model]) => model ?? ''),
      ),
    ].sort();
  const all = ['adapter', 'model', unknownModel];
  await forget.sweep();
  adapter = false;
  await forget.sweep();
  clock.advance(keptMs - 1);
  await forget.sweep();
  expect(await models()).toEqual(all);
  // Back in time: the next absence counts anew.
  adapter = true;
  await forget.sweep();
  adapter = false;
  clock.advance(1);
  await forget.sweep();
  expect(await models()).toEqual(all);
  clock.advance(keptMs);
  await forget.sweep();
  expect(await models()).toEqual(['model', unknownModel]);
});
