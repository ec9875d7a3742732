/**
 * Many agents in one process, as light as they can be: real gRPC on a port each, a snapshot, a heartbeat each second, changes
 * on command. Forked by many-agents.mjs. `{ start: n }` answers `{ addresses }`; `{ cordon: i, on }` answers with the moment of
 * writing on the monotonic clock of the machine, in ms.
 */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { nodeProto } from '../../dist/rpc/node-package.js';

const heartbeatMs = 1000;
const models = 10;
const agents = [];

function agentOf(index) {
  let revision = 1;
  const epoch = `epoch-${index}`;
  const watchers = new Set();
  const engine = {
    id: 'chat-0',
    origin: 'attached',
    state: 'ready',
    servedModels: [`model-${index % models}`],
    url: 'http://127.0.0.1:9',
    deviceUuids: [`GPU-${index}`],
    incarnation: '1',
    cordons: [],
  };
  const device = {
    uuid: `GPU-${index}`,
    name: 'simulated',
    health: 'healthy',
    action: 'none',
    reading: { temperatureCelsius: 40, memoryTotalBytes: 80e9, memoryUsedBytes: 70e9 },
  };
  const node = () => ({
    name: `node-${index}`,
    machineId: `machine-${index}`,
    epoch,
    revision: String(revision),
    driver: { state: 'ok' },
    devices: [device],
    engines: [engine],
    agentVersion: 'light',
  });
  const write = (update) => watchers.forEach((call) => call.write(update));
  const server = new Server();
  server.addService(nodeProto.NodeService.service, {
    WatchNode(call) {
      call.write({ snapshot: node() });
      call.write({ work: { complete: true, work: [] } });
      watchers.add(call);
      const leave = () => watchers.delete(call);
      call.on('cancelled', leave).on('close', leave).on('error', leave);
    },
    ReportWork(call) {
      call.on('data', ({ sequence }) => call.write({ sequence }));
      call.on('end', () => call.end()).on('error', () => undefined);
    },
  });
  return {
    listen: () =>
      new Promise((resolve, reject) =>
        server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
          error ? reject(error) : resolve(`127.0.0.1:${port}`),
        ),
      ),
    beat: () => write({ heartbeat: { epoch, revision: String(revision) } }),
    cordon(on) {
      const baseRevision = String(revision);
      revision += 1;
      engine.cordons = on ? [{ holder: 'operator:bench', reason: 'bench' }] : [];
      write({ delta: { epoch, baseRevision, revision: String(revision), engines: [engine] } });
    },
  };
}

process.on('message', async ({ start, cordon, on }) => {
  if (start !== undefined) {
    for (let i = 0; i < start; i += 1) agents.push(agentOf(i));
    const addresses = await Promise.all(agents.map((agent) => agent.listen()));
    // Spread over the second, as those of real nodes are.
    agents.forEach((agent, i) =>
      setTimeout(() => setInterval(() => agent.beat(), heartbeatMs), (i / start) * heartbeatMs),
    );
    process.send({ addresses });
  } else {
    const writtenMs = Number(process.hrtime.bigint()) / 1e6;
    agents[cordon].cordon(on);
    process.send({ writtenMs });
  }
});
process.on('disconnect', () => process.exit());
