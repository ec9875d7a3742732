/** What an agent in a cluster says to Kubernetes and hears from it; nothing where `kubernetes` is not configured. */
import type { Registry } from 'prom-client';
import type { EngineFleetPart } from './agent-parts.js';
import type { AgentConfig } from './config/agent-config.js';
import { addCordon, removeCordon } from './domain/cordon.js';
import type { DeviceStatus } from './domain/device.js';
import type { StoredHealth } from './health/stored-health.js';
import { describePod, DevicePods } from './kubernetes/device-pods.js';
import { watchEnginePods, type EnginePod } from './kubernetes/engine-pods.js';
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
  /** Takes the engines that pods run. */
  fleet: Pick<EngineFleetPart, 'attached'>;
  /** Keeps the cordons of the node as a whole. */
  store: Pick<NodeStore<StoredHealth>, 'cordons' | 'save'>;
  /** They have changed. */
  onCordons: () => void;
}

export class AgentKubernetes {
  readonly #options: AgentKubernetesOptions;
  readonly #client: KubeClient | null = null;
  readonly #node: OwnNode | null = null;
  readonly #devicePods: DevicePods | null = null;
  readonly #engineWatch: { close(): void } | null = null;
  readonly #reports: boolean = false;
  #enginePods: readonly EnginePod[] = [];
  /** GPUs of each pod that runs an engine, as last told: a pod keeps its GPUs for life. */
  #devicesOf = new Map<string, readonly string[]>();

  constructor(options: AgentKubernetesOptions) {
    this.#options = options;
    const { config, registry, clock, logger } = options;
    if (!config.kubernetes) return;
    const { nodeName = config.node.name, honourCordon, nodeCondition } = config.kubernetes;
    const { podResources, enginePods, ...access } = config.kubernetes;
    this.#client = KubeClient.from(access);
    this.#reports = nodeCondition;
    const base = { client: this.#client, nodeName, clock, logger, metrics: new KubernetesMetrics(registry) };
    this.#node = new OwnNode({
      ...base,
      onUnschedulable: (unschedulable) => {
        if (honourCordon) cordonNode(unschedulable, options);
      },
    });
    const onChange = (): void => this.#tellEngines();
    if (podResources) this.#devicePods = new DevicePods({ ...base, ...podResources, onChange });
    if (enginePods)
      this.#engineWatch = watchEnginePods({ ...base, ...enginePods, onEngines: (pods) => this.#hear(pods) });
  }

  /** Whom Kubernetes gave the devices, by UUID, in words. */
  get pods(): ReadonlyMap<string, readonly string[]> {
    return new Map([...(this.#devicePods?.all ?? [])].map(([uuid, pods]) => [uuid, pods.map(describePod)]));
  }

  report(devices: readonly DeviceStatus[]): void {
    if (this.#reports) this.#node?.report(devices);
  }

  async close(): Promise<void> {
    this.#engineWatch?.close();
    this.#devicePods?.close();
    await this.#node?.close();
    await this.#client?.close();
  }

  #hear(pods: readonly EnginePod[]): void {
    this.#enginePods = pods;
    this.#tellEngines();
  }

  #tellEngines(): void {
    if (this.#engineWatch === null) return;
    this.#devicesOf = new Map(this.#enginePods.map(({ pod }) => [pod, this.#devicesNow(pod)]));
    this.#options.fleet.attached?.update(
      this.#enginePods.map(({ pod, url, ending }) => ({
        ...{ id: pod, url, ending },
        devices: this.#devicesOf.get(pod) ?? [],
      })),
    );
  }

  #devicesNow(name: string): readonly string[] {
    const namespace = this.#options.config.kubernetes?.enginePods?.namespace;
    const told = [...(this.#devicePods?.all ?? [])].flatMap(([uuid, pods]) =>
      pods.some((one) => one.pod === name && one.namespace === namespace) ? [uuid] : [],
    );
    return told.length > 0 ? told : (this.#devicesOf.get(name) ?? []);
  }
}

/** Nothing on this node takes new requests until Kubernetes lifts it. */
function cordonNode(cordoned: boolean, { clock, store, onCordons }: AgentKubernetesOptions): void {
  const holder = 'kubernetes';
  const entry = { holder, reason: 'the node is cordoned in Kubernetes', sinceMs: clock.wallMs() };
  store.save({ cordons: cordoned ? addCordon(store.cordons, entry) : removeCordon(store.cordons, holder) });
  onCordons();
}
