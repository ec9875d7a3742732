import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/**
 * How often the lag of the event loop is looked at. prom-client's own 10 ms woke an idle agent a hundred times per second,
 * half of all that it cost (0.4 % of one core, 8 simulated GPUs, no engines). The quantiles `nodejs_eventloop_lag_*` start
 * at this figure, not at 0.
 */
const loopLagPrecisionMs = 100;

/**
 * One registry per process: build information, and the usual series of a Node process (`process_*`, `nodejs_*`, the names
 * that dashboards already know). Folders are handed this registry and declare their own instruments in it.
 */
export function createMetricsRegistry(process: 'agent' | 'coordinator', version: string): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: loopLagPrecisionMs });
  // Gauges with a counter's ending, which `promtool check metrics` rightly refuses; their counts by type stay.
  for (const what of ['handles', 'requests', 'resources'])
    registry.removeSingleMetric(`nodejs_active_${what}_total`);
  new Gauge({
    name: 'infernode_build_info',
    help: 'Always 1; the labels say which program this is',
    labelNames: ['process', 'version', 'node_version'],
    registers: [registry],
  }).set({ process, version, node_version: globalThis.process.version }, 1);
  return registry;
}
