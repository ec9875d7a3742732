import type { EndpointState } from '../domain/endpoint.js';
import type { ModelPlacement } from '../placement/placement-types.js';

/** How many engines of a model can take requests, and how many there should be. */
export interface ModelReadiness {
  model: string;
  placement: ModelPlacement;
  ready: number;
  least: number;
}

/** What the gateway needs to know of the cluster; `cluster/model-directory.ts` implements it. */
export interface GatewayRouting {
  /** Names for `GET /v1/models`: served models, then aliases. */
  modelNames(): readonly string[];
  /** Resolves a requested name (model or alias) to the model and its placement; `null` when nobody serves it. */
  resolve(requested: string): { model: string; placement: ModelPlacement } | null;
  endpoint(id: string): EndpointState | undefined;
  /** All models, those that nobody serves too. */
  readiness?(): Iterable<ModelReadiness>;
  /**
   * An endpoint that takes no more: evicting, so nothing in flight will finish, or newly cordoned, so only what has begun
   * will. `endpoint(id)` tells which. Returns the unsubscribe function.
   */
  onEvict(listener: (endpointId: string, reason: string) => void): () => void;
  /**
   * A request waits for the model and nobody may take it: wake an engine of it if one sleeps. True while one is on its way,
   * so that waiting makes sense. Called for every such request; asking the agent once is the implementer's part.
   */
  wake?(model: string): boolean;
  /** Something became eligible or appeared: queued requests try again; returns the unsubscribe function. */
  onChange(listener: () => void): () => void;
}
