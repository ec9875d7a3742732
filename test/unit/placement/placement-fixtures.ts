import type { EndpointState } from '../../../src/domain/endpoint.js';
import type { PlacementRequest } from '../../../src/placement/placement-types.js';

export function endpointState(id: string, over: Partial<EndpointState> = {}): EndpointState {
  return {
    id,
    node: id.split('/')[0]!,
    engineId: id.split('/')[1] ?? id,
    incarnation: '1',
    url: 'http://127.0.0.1:1',
    servedModels: ['m'],
    engineState: 'ready',
    engineReason: '',
    cordonHolders: [],
    deviceHealth: 'healthy',
    deviceReason: '',
    evicting: false,
    nodeSilent: false,
    capacityBlocks: 100,
    maxConcurrent: 256,
    ...over,
  };
}

export function request(id: string, chain: readonly number[], tokens = chain.length * 512): PlacementRequest {
  return { id, chain, tokens };
}
