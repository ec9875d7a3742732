/**
 * Engines that pods of this node run, found by label. Only running pods with an address count; one that Kubernetes has begun to end takes no new
 * work. Whether the engine in it serves is for the agent to find out: readiness as Kubernetes sees it is not waited for.
 */
import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { KubeClient, KubeObject, ObjectMeta } from './kube-client.js';
import type { KubernetesMetrics } from './kubernetes-metrics.js';
import { ObjectWatch } from './watch-objects.js';

/** The members that are used of a v1 Pod. */
export interface Pod extends KubeObject {
  metadata: ObjectMeta & { deletionTimestamp?: string };
  status?: { phase?: string; podIP?: string };
}

export interface EnginePod {
  /** Name of the pod, in its namespace. */
  pod: string;
  url: string;
  /** Kubernetes is ending it. */
  ending: boolean;
}

export interface EnginePodsOptions {
  client: KubeClient;
  nodeName: string;
  namespace: string;
  labelSelector: string;
  port: number;
  clock: Clock;
  logger: Logger;
  metrics: KubernetesMetrics;
  /** Sorted by name. Not called while the API server is away. */
  onEngines: (engines: readonly EnginePod[]) => void;
}

export function watchEnginePods(options: EnginePodsOptions): { close(): void } {
  const { nodeName, namespace, labelSelector, port, onEngines } = options;
  const query = new URLSearchParams({ fieldSelector: `spec.nodeName=${nodeName}`, labelSelector });
  return new ObjectWatch<Pod>({
    ...options,
    path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods?${query.toString()}`,
    what: 'pods',
    onObjects: (pods) => onEngines(enginesIn(pods, port)),
  });
}

export function enginesIn(pods: readonly Pod[], port: number): EnginePod[] {
  return pods
    .flatMap(({ metadata, status }) => {
      if (status?.phase !== 'Running' || !status.podIP) return [];
      const host = status.podIP.includes(':') ? `[${status.podIP}]` : status.podIP;
      const ending = metadata.deletionTimestamp !== undefined;
      return [{ pod: metadata.name, url: `http://${host}:${port}`, ending }];
    })
    .sort((a, b) => (a.pod < b.pod ? -1 : 1));
}
