/**
 * The agent's own Node object: it hears whether Kubernetes cordoned the node, and tells how its GPUs are as a node condition, as
 * node-problem-detector does. It never cordons the node itself.
 */
import { messageOf } from '../domain/error-codes.js';
import type { DeviceStatus } from '../domain/device.js';
import type { Clock, Timer } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { KubeClient, KubeObject } from './kube-client.js';
import type { KubernetesMetrics } from './kubernetes-metrics.js';
import { ObjectWatch } from './watch-objects.js';

interface Node extends KubeObject {
  spec: { unschedulable?: boolean };
}

export interface OwnNodeOptions {
  client: KubeClient;
  nodeName: string;
  clock: Clock;
  logger: Logger;
  metrics: KubernetesMetrics;
  /** Called on the first news and on each change. */
  onUnschedulable: (unschedulable: boolean) => void;
}

/** True: at least one GPU is unhealthy. The polarity of node-problem-detector: trouble is `True`. */
export const nodeConditionType = 'GPUUnhealthy';
/** Also without news, so that a reader can tell an old condition from a dead agent. */
const heartbeatMs = 300_000;
const maxMessageLength = 1024;

interface ConditionStatus {
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
}

export class OwnNode {
  readonly #options: OwnNodeOptions;
  readonly #watch: ObjectWatch<Node>;
  readonly #heartbeat: Timer;
  #unschedulable: boolean | null = null;
  #wanted: ConditionStatus | null = null;
  #written: { condition: ConditionStatus; since: string } | null = null;
  #writing: Promise<void> | null = null;
  #again = false;

  constructor(options: OwnNodeOptions) {
    this.#options = options;
    const selector = encodeURIComponent(`metadata.name=${options.nodeName}`);
    this.#watch = new ObjectWatch<Node>({
      ...options,
      path: `/api/v1/nodes?fieldSelector=${selector}`,
      what: 'nodes',
      onObjects: ([node]) => {
        if (node) this.#heard(node.spec.unschedulable === true);
      },
    });
    this.#heartbeat = options.clock.every(heartbeatMs, () => this.#write());
  }

  /** Of two reports at once only the newer is written. */
  report(devices: readonly DeviceStatus[]): void {
    const condition = conditionOf(devices);
    if (JSON.stringify(condition) === JSON.stringify(this.#wanted)) return;
    this.#wanted = condition;
    this.#write();
  }

  async close(): Promise<void> {
    this.#watch.close();
    this.#heartbeat.cancel();
    await this.#writing;
  }

  #heard(unschedulable: boolean): void {
    if (unschedulable === this.#unschedulable) return;
    this.#unschedulable = unschedulable;
    this.#options.onUnschedulable(unschedulable);
  }

  #write(): void {
    this.#again = true;
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = null));
  }

  async #writeAll(): Promise<void> {
    const { client, clock, logger, metrics, nodeName } = this.#options;
    while (this.#again && this.#wanted) {
      this.#again = false;
      const condition = this.#wanted;
      const now = new Date(clock.wallMs()).toISOString();
      const same = this.#written?.condition.status === condition.status;
      const since = same && this.#written ? this.#written.since : now;
      const entry = {
        type: nodeConditionType,
        ...condition,
        lastHeartbeatTime: now,
        lastTransitionTime: since,
      };
      try {
        await client.patch(`/api/v1/nodes/${encodeURIComponent(nodeName)}/status`, {
          status: { conditions: [entry] },
        });
        this.#written = { condition, since };
      } catch (error) {
        metrics.failed('node-condition');
        logger.warn(
          { reason: messageOf(error) },
          'the node condition could not be written; tried again with the next change or heartbeat',
        );
        if (!this.#again) return;
      }
    }
  }
}

export function conditionOf(devices: readonly DeviceStatus[]): ConditionStatus {
  const unhealthy = devices.filter(({ health }) => health === 'unhealthy');
  const unknown = devices.filter(({ health }) => health === 'unknown');
  const [status, reason, bad] =
    unhealthy.length > 0
      ? (['True', 'UnhealthyGPU', unhealthy] as const)
      : devices.length === 0 || unknown.length > 0
        ? (['Unknown', 'NoNews', unknown] as const)
        : (['False', 'HealthyGPUs', []] as const);
  const words = bad.map(
    ({ identity: { index, uuid }, reason: why, action }) => `GPU ${index} (${uuid}): ${why}; wants ${action}`,
  );
  const message = words.join('. ') || (devices.length === 0 ? 'no GPU is known' : `${devices.length} GPUs`);
  return { status, reason, message: message.slice(0, maxMessageLength) };
}
