/** Which agents a coordinator watches: those of its configuration, and those that Kubernetes names. */
import type { AgentWatchers } from './cluster/watch-agents.js';
import type { CoordinatorConfig } from './config/coordinator-config.js';
import { discoverAgents } from './kubernetes/discover-agents.js';
import { KubeClient } from './kubernetes/kube-client.js';
import type { KubernetesMetrics } from './kubernetes/kubernetes-metrics.js';
import type { Clock } from './runtime/clock.js';
import type { Logger } from './runtime/logger.js';

export interface CoordinatorAgentsOptions {
  watchers: AgentWatchers;
  clock: Clock;
  logger: Logger;
  metrics: KubernetesMetrics;
}

type Agents = CoordinatorConfig['agents'];

export class CoordinatorAgents {
  readonly #options: CoordinatorAgentsOptions;
  #configured: Agents = [];
  #engineNetworks: readonly string[] = [];
  #discovered: Agents = [];
  #client: KubeClient | null = null;
  #discovery: { close(): void } | null = null;

  constructor(options: CoordinatorAgentsOptions) {
    this.#options = options;
  }

  /** The first of two equal addresses counts, so a configured one keeps its own certificates. */
  configure({ agents, engineNetworks }: Pick<CoordinatorConfig, 'agents' | 'engineNetworks'>): void {
    this.#configured = agents;
    this.#engineNetworks = engineNetworks;
    this.#watch();
  }

  discover(discovery: CoordinatorConfig['discovery']): void {
    if (!discovery) return;
    const { namespace, service, port, tls, ...access } = discovery.endpointSlice;
    this.#client = KubeClient.from(access);
    this.#discovery = discoverAgents({
      ...this.#options,
      client: this.#client,
      namespace,
      service,
      portName: port,
      onAgents: (addresses) => {
        this.#discovered = addresses.map((address) => ({ address, ...(tls ? { tls } : {}) }));
        this.#watch();
      },
    });
  }

  async close(): Promise<void> {
    this.#discovery?.close();
    await this.#client?.close();
  }

  #watch(): void {
    const engineNetworks = this.#engineNetworks;
    const agents = [...this.#configured, ...this.#discovered];
    this.#options.watchers.watch(agents.map((agent) => ({ ...agent, engineNetworks })));
  }
}
