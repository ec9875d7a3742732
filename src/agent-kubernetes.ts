/** What an agent in a cluster says to Kubernetes and hears from it; nothing where `kubernetes` is not configured. */
import type { Registry } from 'prom-client';
import type { AgentConfig } from './config/agent-config.js';
import type { DeviceStatus } from './domain/device.js';
import { KubeClient } from './kubernetes/kube-client.js';
import { KubernetesMetrics } from './kubernetes/kubernetes-metrics.js';
import { OwnNode } from './kubernetes/own-node.js';
import type { Clock } from './runtime/clock.js';
import type { Logger } from './runtime/logger.js';

export interface AgentKubernetesOptions {
  config: AgentConfig;
  registry: Registry;
  clock: Clock;
  logger: Logger;
  /** Kubernetes cordoned the node, or no longer. */
  onCordoned: (cordoned: boolean) => void;
}

export class AgentKubernetes {
  readonly #client: KubeClient | null = null;
  readonly #node: OwnNode | null = null;
  readonly #reports: boolean = false;

  constructor({ config, registry, onCordoned, ...rest }: AgentKubernetesOptions) {
    if (!config.kubernetes) return;
    const { nodeName = config.node.name, honourCordon, nodeCondition, ...access } = config.kubernetes;
    this.#client = KubeClient.from(access);
    this.#reports = nodeCondition;
    this.#node = new OwnNode({
      ...rest,
      client: this.#client,
      nodeName,
      metrics: new KubernetesMetrics(registry),
      onUnschedulable: (unschedulable) => {
        if (honourCordon) onCordoned(unschedulable);
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
