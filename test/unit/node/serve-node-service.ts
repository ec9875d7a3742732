import { createNodeService, type NodeServiceOptions } from '../../../src/node/node-service.js';
import { createRpcServer, type RpcServer } from '../../../src/rpc/create-rpc-server.js';
import { nodePackage, nodeProto } from '../../../src/rpc/node-package.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { silentLogger } from '../../../src/runtime/logger.js';

/** NodeService alone, behind a real server on a free port of loopback. */
export async function serveNodeService(options: Omit<NodeServiceOptions, 'logger'>): Promise<RpcServer> {
  const server = createRpcServer({
    listen: { host: '127.0.0.1', port: 0 },
    services: [
      {
        definition: nodeProto.NodeService.service,
        handlers: createNodeService({ ...options, logger: silentLogger() }),
      },
    ],
    packages: [nodePackage],
    clock: systemClock,
    logger: silentLogger(),
  });
  await server.start();
  return server;
}
