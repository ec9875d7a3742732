// Shows that outcomes are counted by model and that the series of an endpoint go with it.
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { InMemoryModelPlacement } from '../../../src/placement/model-placement.js';
import { PlacementMetrics } from '../../../src/placement/placement-metrics.js';
import { ManualClock } from '../../support/manual-clock.js';
import { endpointState, request } from './placement-fixtures.js';

it('counts outcomes and refusals, shows loads, and drops the series of an endpoint that left', async () => {
  const registry = new Registry();
  const metrics = new PlacementMetrics(registry, new ManualClock());
  const placement = new InMemoryModelPlacement({ observer: metrics.observerFor('m') });
  metrics.watch('m', placement);
  placement.upsert(endpointState('n/a', { maxConcurrent: 1 }));
  placement.decide(request('x', [1, 2]), 0);
  placement.decide(request('y', [1, 3]), 0);
  const page = await registry.metrics();
  expect(page).toContain('infernode_placement_decisions_total{model="m",outcome="home"} 1');
  expect(page).toContain('infernode_placement_decisions_total{model="m",outcome="capped"} 1');
  expect(page).toContain('infernode_placement_refusals_total{model="m",refusal="at-hard-cap"} 1');
  expect(page).toContain('infernode_placement_queued_tokens{model="m",endpoint="n/a"} 1024');
  expect(page).toContain('infernode_placement_breaker_state{model="m",endpoint="n/a",state="closed"} 1');
  expect(page).toContain('infernode_placement_health_breach{model="m",endpoint="n/a",breach="errors"} 0');
  expect(page).toContain('infernode_placement_memory_blocks{model="m"} 2');
  expect(page).toContain('infernode_placement_memory_dropped_blocks_total{model="m"} 0');
  placement.leave('n/a');
  expect(await registry.metrics()).not.toContain('endpoint="n/a"');
});

it('lets go of a model, and of nothing else', async () => {
  const registry = new Registry();
  const metrics = new PlacementMetrics(registry, new ManualClock());
  for (const model of ['gone', 'stays']) {
    const placement = new InMemoryModelPlacement({ observer: metrics.observerFor(model) });
    metrics.watch(model, placement);
    placement.upsert(endpointState('n/a', { maxConcurrent: 1 }));
    placement.decide(request('x', [1, 2]), 0);
    placement.decide(request('y', [1, 3]), 0);
  }
  const before = (await registry.metrics()).split('\n').filter((line) => line.includes('model="stays"'));
  expect(await metrics.models()).toEqual(new Set(['gone', 'stays']));
  await metrics.forget('gone');
  const after = await registry.metrics();
  expect(after).not.toContain('gone');
  expect(after.split('\n').filter((line) => line.includes('model="stays"'))).toEqual(before);
  expect(await metrics.models()).toEqual(new Set(['stays']));
});
