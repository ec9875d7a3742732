import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/**
 * One registry per process: build information, and the usual series of a Node process (`process_*`, `nodejs_*`, the names
 * that dashboards already know). Folders are handed this registry and declare their own instruments in it.
 */
export function createMetricsRegistry(process: 'agent' | 'coordinator', version: string): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'infernode_build_info',
    help: 'Always 1; the labels say which program this is',
    labelNames: ['process', 'version', 'node_version'],
    registers: [registry],
  }).set({ process, version, node_version: globalThis.process.version }, 1);
  return registry;
}
