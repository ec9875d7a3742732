/** What an agent in a cluster says to Kubernetes and hears from it; nothing where `kubernetes` is not configured. */
import type { Registry } from 'prom-client';
import type { AgentConfig } from './config/agent-config.js';
import { addCordon, removeCordon } from './domain/cordon.js';
import type { DeviceStatus } from './domain/device.js';
import type { StoredHealth } from './health/stored-health.js';
import { KubeClient } from './kubernetes/kube-client.js';
import { KubernetesMetrics } from './kubernetes/kubernetes-metrics.js';
import { OwnNode } from './kubernetes/own-node.js';
import type { NodeStore } from './node/node-store.js';
import type { Clock } from './runtime/clock.js';
import type { Logger } from './runtime/logger.js';

export interface AgentKubernetesOptions {
  config: AgentConfig;
  registry: Registry;
  clock: Clock;
  logger: Logger;
  /** Keeps the cordons of the node as a whole. */
  store: Pick<NodeStore<StoredHealth>, 'cordons' | 'save'>;
  /** They have changed. */
  onCordons: () => void;
}

export class AgentKubernetes {
  readonly #client: KubeClient | null = null;
  readonly #node: OwnNode | null = null;
  readonly #reports: boolean = false;

  constructor(options: AgentKubernetesOptions) {
    const { config, registry, clock, logger } = options;
    if (!config.kubernetes) return;
    const { nodeName = config.node.name, honourCordon, nodeCondition, ...access } = config.kubernetes;
    this.#client = KubeClient.from(access);
    this.#reports = nodeCondition;
    this.#node = new OwnNode({
      ...{ clock, logger },
      client: this.#client,
      nodeName,
      metrics: new KubernetesMetrics(registry),
      onUnschedulable: (unschedulable) => {
        if (honourCordon) cordonNode(unschedulable, options);
      },
    });
  }

  report(devices: readonly DeviceStatus[]): void {
    if (this.#reports) this.#node?.report(devices);
  }

  async close(): Promise<void> {
    await this.#node?.close();
    await this.#client?.close();
  }
}

/** Nothing on this node takes new requests until Kubernetes lifts it. */
function cordonNode(cordoned: boolean, { clock, store, onCordons }: AgentKubernetesOptions): void {
  const holder = 'kubernetes';
  const entry = { holder, reason: 'the node is cordoned in Kubernetes', sinceMs: clock.wallMs() };
  store.save({ cordons: cordoned ? addCordon(store.cordons, entry) : removeCordon(store.cordons, holder) });
  onCordons();
}
