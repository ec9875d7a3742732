/** The one mapping between `ClusterState` and the messages of `cluster.proto`, both ways, lenient when reading. */
import {
  nodeWatchStates,
  type ClusterEndpoint,
  type ClusterNode,
  type ClusterState,
  type NodeWatchState,
} from '../domain/cluster-state.js';
import { engineStates, type EngineState } from '../domain/engine.js';
import type { Cluster, Cluster__Output } from './generated/infernode/cluster/v1/Cluster.js';
import type { ClusterNode__Output } from './generated/infernode/cluster/v1/ClusterNode.js';
import type { Endpoint__Output } from './generated/infernode/cluster/v1/Endpoint.js';
import { nodeFromProto, nodeToProto } from './node-state-proto.js';

export function clusterToProto(state: ClusterState): Cluster {
  return {
    coordinatorVersion: state.coordinatorVersion,
    nodes: state.nodes.map(({ silentForMs, state: node, agentVersion, ...rest }) => ({
      ...rest,
      silentForMs: silentForMs ?? undefined,
      node: node && nodeToProto(node, agentVersion),
    })),
    endpoints: state.endpoints.map(({ capacityBlocks, ...rest }) => ({
      ...rest,
      capacityBlocks: capacityBlocks ?? undefined,
    })),
    models: state.models,
    foreignChains: state.foreignChains,
  };
}

export function clusterFromProto(cluster: Cluster__Output): ClusterState {
  return {
    coordinatorVersion: cluster.coordinatorVersion,
    nodes: cluster.nodes.map(clusterNodeFromProto),
    endpoints: cluster.endpoints.map(endpointFromProto),
    models: cluster.models.map(({ name, aliases, strategy, endpoints, eligibleEndpoints, inFlight }) => ({
      name,
      aliases,
      strategy,
      endpoints,
      eligibleEndpoints,
      inFlight,
    })),
    foreignChains: cluster.foreignChains,
  };
}

function clusterNodeFromProto({
  address,
  watch,
  reason,
  silentForMs,
  node,
}: ClusterNode__Output): ClusterNode {
  return {
    address,
    watch: nodeWatchStates.includes(watch as NodeWatchState) ? (watch as NodeWatchState) : 'connecting',
    reason,
    silentForMs: silentForMs ?? null,
    agentVersion: node?.agentVersion ?? '',
    state: node && nodeFromProto(node),
  };
}

function endpointFromProto(endpoint: Endpoint__Output): ClusterEndpoint {
  const { id, node, engineId, model, url, eligible, reason, inFlight, maxConcurrent } = endpoint;
  return {
    id,
    node,
    engineId,
    model,
    url,
    engineState: engineStates.includes(endpoint.engineState as EngineState)
      ? (endpoint.engineState as EngineState)
      : 'failed',
    eligible,
    reason,
    inFlight,
    maxConcurrent,
    capacityBlocks: endpoint.capacityBlocks ?? null,
    sharedView: endpoint.sharedView,
  };
}
