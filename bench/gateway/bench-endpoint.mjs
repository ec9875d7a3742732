/** A ready engine behind a port of this machine, as the gateway knows it. */
export function benchEndpoint(port) {
  return {
    id: `node/${port}`,
    node: 'node',
    engineId: port,
    incarnation: '1',
    url: `http://127.0.0.1:${port}`,
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
  };
}
