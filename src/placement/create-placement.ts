import type { EndpointState } from '../domain/endpoint.js';
import { InMemoryModelPlacement, type ModelPlacementOptions } from './model-placement.js';

export interface ReplayOptions extends ModelPlacementOptions {
  /** Hard cap of concurrent requests per endpoint; none by default, since a replay queues in its engines. */
  maxConcurrent?: number;
}

export interface ReplayRequest {
  id: string;
  /** Prompt tokens. */
  tokens: number;
  /** Block keys, integers below 2^53, 512 tokens each. */
  chain: readonly number[];
  /** `false` where `firstToken` can only be called with the whole answer. */
  streams?: boolean;
}

/** Placement without a cluster: for replays, simulators and tests. Decisions are those of the coordinator. */
export interface ReplayPlacement {
  join(endpoint: string, options: { capacityBlocks: number; weight?: number }): void;
  leave(endpoint: string): void;
  /** Chooses and records; `null` when nobody may take it. */
  place(request: ReplayRequest, nowMs: number): string | null;
  /** Placed by another coordinator. */
  observe(request: ReplayRequest, endpoint: string, nowMs: number): void;
  firstToken(id: string, nowMs: number, cachedTokens?: number): void;
  done(id: string, nowMs: number): void;
}

export function createPlacement(options: ReplayOptions = {}): ReplayPlacement {
  const placement = new InMemoryModelPlacement(options);
  const maxConcurrent = options.maxConcurrent ?? Infinity;
  return {
    join: (endpoint, { capacityBlocks, weight }) =>
      placement.upsert(readyEndpoint(endpoint, capacityBlocks, maxConcurrent), weight),
    leave: (endpoint) => placement.leave(endpoint),
    place: (request, nowMs) => placement.decide(request, nowMs).endpoint,
    observe: (request, endpoint, nowMs) => placement.observe(request, endpoint, nowMs),
    firstToken: (id, nowMs, cachedTokens) => placement.firstToken(id, nowMs, cachedTokens),
    done: (id, nowMs) => placement.done(id, nowMs),
  };
}

function readyEndpoint(id: string, capacityBlocks: number, maxConcurrent: number): EndpointState {
  return {
    id,
    node: id,
    engineId: id,
    incarnation: '1',
    url: 'http://127.0.0.1',
    servedModels: [],
    engineState: 'ready',
    engineReason: '',
    cordonHolders: [],
    deviceHealth: 'healthy',
    deviceReason: '',
    evicting: false,
    nodeSilent: false,
    capacityBlocks,
    maxConcurrent,
  };
}
