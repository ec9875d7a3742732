/** Agents from the EndpointSlices of their headless Service: one address per pod, ready or not, because an agent that is not ready still tells why. */
import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { KubeClient, KubeObject } from './kube-client.js';
import type { KubernetesMetrics } from './kubernetes-metrics.js';
import { ObjectWatch } from './watch-objects.js';

/** The members that are used of discovery.k8s.io/v1. */
export interface EndpointSlice extends KubeObject {
  addressType: 'IPv4' | 'IPv6' | 'FQDN';
  ports?: { name?: string; port?: number }[] | null;
  endpoints?: { addresses: string[]; nodeName?: string }[] | null;
}

export interface DiscoverAgentsOptions {
  client: KubeClient;
  namespace: string;
  /** Of the agents. */
  service: string;
  /** Name of the port in the Service. */
  portName: string;
  clock: Clock;
  logger: Logger;
  metrics: KubernetesMetrics;
  /** `HOST:PORT` of each agent, sorted. Not called while the API server is away. */
  onAgents: (addresses: readonly string[]) => void;
}

export function discoverAgents(options: DiscoverAgentsOptions): { close(): void } {
  const { namespace, service, portName, onAgents } = options;
  const selector = encodeURIComponent(`kubernetes.io/service-name=${service}`);
  return new ObjectWatch<EndpointSlice>({
    ...options,
    path: `/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/endpointslices?labelSelector=${selector}`,
    what: 'endpointslices',
    onObjects: (slices) => onAgents(addressesIn(slices, portName)),
  });
}

/** A pod may stand in two slices while it moves between them: each address counts once. */
export function addressesIn(slices: readonly EndpointSlice[], portName: string): string[] {
  const addresses = slices.flatMap(({ addressType, ports, endpoints }) => {
    const port = ports?.find(({ name }) => name === portName)?.port;
    if (port === undefined) return [];
    return (endpoints ?? []).flatMap(({ addresses: [address] }) =>
      address === undefined ? [] : [addressType === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`],
    );
  });
  return [...new Set(addresses)].sort();
}
