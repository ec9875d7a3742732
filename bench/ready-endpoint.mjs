/** A ready engine as placements know it, but for what a bench says otherwise. */
export function readyEndpoint(given) {
  return {
    node: 'node',
    engineId: given.id,
    incarnation: '1',
    url: 'http://127.0.0.1',
    servedModels: ['bench'],
    engineState: 'ready',
    engineReason: '',
    cordonHolders: [],
    deviceHealth: 'healthy',
    deviceReason: '',
    evicting: false,
    nodeSilent: false,
    capacityBlocks: 4096,
    maxConcurrent: 1_000_000,
    ...given,
  };
}
