/** Who takes part in the election has a series that says so: an alert must tell "no lease is configured" from "nobody owns it". */
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { AutoscalingMetrics } from '../../../src/autoscaling/autoscaling-metrics.js';
import { coordinatorSchema } from '../../../src/config/coordinator-config.js';
import { createElection } from '../../../src/coordinator-election.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { silentLogger } from '../../../src/runtime/logger.js';

/** Nobody listens there. */
const lock = { url: 'redis://127.0.0.1:1' };

it.each([
  ['without a lease', { actuator: 'on' }, null],
  ['where the actuator is off', { actuator: 'off', lock }, null],
  ['with a lease that nobody can reach', { actuator: 'on', lock }, '0'],
])('%s', async (_, autoscaling, leader) => {
  const registry = new Registry();
  const { autoscaling: config } = coordinatorSchema.parse({ autoscaling });
  const metrics = new AutoscalingMetrics(registry);
  const election = createElection({ config, metrics, clock: systemClock, logger: silentLogger() });
  const page = await registry.metrics();
  await election?.close();
  expect(/^infernode_autoscaling_leader (.*)$/m.exec(page)?.[1] ?? null).toBe(leader);
});
