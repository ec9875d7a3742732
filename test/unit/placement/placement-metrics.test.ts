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
