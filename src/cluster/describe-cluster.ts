/** What the coordinator knows, put together for `GetCluster`; asks placement, decides nothing itself. */
import type {
  ClusterEndpoint,
  ClusterModel,
  ClusterNode,
  ClusterState,
  NodeWatchState,
} from '../domain/cluster-state.js';
import type { Clock } from '../runtime/clock.js';
import type { ClusterCensus } from './cluster-metrics.js';
import type { EndpointRegistry } from './endpoint-registry.js';
import type { DirectoryEntry, ModelDirectory } from './model-directory.js';
import type { SharedWork } from './shared-work.js';

export interface ClusterParts {
  watchers: { readonly all: readonly { describe(): ClusterNode }[] };
  registry: EndpointRegistry;
  directory: ModelDirectory;
  work: Pick<SharedWork, 'isShared' | 'foreignLeases' | 'foreignChains'>;
  clock: Clock;
  coordinatorVersion: string;
}

/** A request that asks nothing of an endpoint: whoever refuses it takes no work at all. */
const anyRequest = { id: 'status', tokens: 0, chain: [] };

export function describeCluster(parts: ClusterParts): ClusterState {
  const models = parts.directory.entries().map((entry) => describeModel(entry, parts));
  const unnamed = [...parts.registry.all()].filter(({ id }) => parts.directory.modelOf(id) === undefined);
  return {
    coordinatorVersion: parts.coordinatorVersion,
    nodes: parts.watchers.all.map((watcher) => watcher.describe()),
    endpoints: [
      ...models.flatMap(({ endpoints }) => endpoints),
      ...unnamed.map((endpoint) =>
        describeEndpoint(endpoint, parts.work, '', 'the engine has not said which model it serves', 0),
      ),
    ].sort((a, b) => (a.id < b.id ? -1 : 1)),
    models: models.map(({ model }) => model),
    foreignChains: parts.work.foreignChains,
  };
}

function describeModel(
  entry: DirectoryEntry,
  { registry, directory, work, clock }: ClusterParts,
): { model: ClusterModel; endpoints: ClusterEndpoint[] } {
  const { refused } = entry.placement.explain(anyRequest, clock.monotonicMs());
  const reasons = new Map(refused.map(({ endpoint, reason }) => [endpoint, reason]));
  const inFlight = entry.placement.inFlight();
  const endpoints = [...entry.endpointIds].flatMap((id) => {
    const endpoint = registry.get(id);
    return endpoint
      ? [describeEndpoint(endpoint, work, entry.model, reasons.get(id) ?? '', inFlight.get(id) ?? 0)]
      : [];
  });
  const model = {
    name: entry.model,
    aliases: directory.otherNamesOf(entry.model),
    strategy: entry.config.strategy,
    endpoints: endpoints.length,
    eligibleEndpoints: endpoints.filter(({ eligible }) => eligible).length,
    inFlight: endpoints.reduce((sum, endpoint) => sum + endpoint.inFlight, 0),
  };
  return { model, endpoints };
}

function describeEndpoint(
  endpoint: Pick<
    ClusterEndpoint,
    'id' | 'node' | 'engineId' | 'url' | 'engineState' | 'maxConcurrent' | 'capacityBlocks'
  >,
  work: ClusterParts['work'],
  model: string,
  reason: string,
  inFlight: number,
): ClusterEndpoint {
  const { id, node, engineId, url, engineState, maxConcurrent, capacityBlocks } = endpoint;
  return {
    id,
    node,
    engineId,
    model,
    url,
    engineState,
    eligible: reason === '',
    reason,
    inFlight,
    maxConcurrent,
    capacityBlocks,
    sharedView: work.isShared(node),
  };
}

/** The same for metrics, counted when they are read. */
export function censusOf({
  watchers,
  registry,
  directory,
  work,
}: Pick<ClusterParts, 'watchers' | 'registry' | 'directory' | 'work'>): ClusterCensus {
  return {
    nodes: () =>
      watchers.all.map((watcher): { address: string; watch: NodeWatchState; silentForMs: number | null } =>
        watcher.describe(),
      ),
    endpoints: () =>
      [...registry.all()].map(({ id, engineState }) => ({
        model: directory.modelOf(id) ?? '',
        state: engineState,
      })),
    foreignLeases: () => work.foreignLeases,
  };
}
