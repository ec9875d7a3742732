import type { EngineState } from './engine.js';
import type { NodeState } from './node-state.js';

/**
 * How the coordinator stands with one agent. `silent`: heard before, not lately. `refused`: another machine or address
 * holds the node's name.
 */
export const nodeWatchStates = ['connecting', 'watching', 'silent', 'refused'] as const;
export type NodeWatchState = (typeof nodeWatchStates)[number];

/** One configured agent and the last that it said. */
export interface ClusterNode {
  /** As configured. */
  address: string;
  watch: NodeWatchState;
  /** Why it is not watched; empty when it is. */
  reason: string;
  /** Since the agent spoke last, ms; `null`: it never did. */
  silentForMs: number | null;
  agentVersion: string;
  /** The last known state; `null` before the first snapshot. */
  state: NodeState | null;
}

/** An endpoint as the coordinator uses it. */
export interface ClusterEndpoint {
  /** `node/engine`. */
  id: string;
  node: string;
  engineId: string;
  model: string;
  url: string;
  engineState: EngineState;
  eligible: boolean;
  /** Why it takes no requests; empty when eligible. */
  reason: string;
  /** Requests in flight there, those of other coordinators included where the view is shared. */
  inFlight: number;
  maxConcurrent: number;
  /** KV cache in 512-token blocks, `null` when not known. */
  capacityBlocks: number | null;
  /** Its agent shares work in flight among coordinators; otherwise requests are placed there by what this one knows. */
  sharedView: boolean;
}

export interface ClusterModel {
  name: string;
  /** Every other name that leads here. */
  aliases: string[];
  strategy: string;
  endpoints: number;
  eligibleEndpoints: number;
  inFlight: number;
}

/** What a coordinator knows, as `infernode status` shows it. */
export interface ClusterState {
  coordinatorVersion: string;
  nodes: ClusterNode[];
  endpoints: ClusterEndpoint[];
  models: ClusterModel[];
  /** Other coordinators whose block keys cannot be used here, each with why. */
  foreignChains: string[];
}
