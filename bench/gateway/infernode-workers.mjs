// The gateway in worker processes, in front of given upstreams: the parent of `gateway.workers` with the real placement, and no
// agents. Arguments: ports, workers. Prints its port.
import { Registry } from 'prom-client';
import { coordinatorSchema } from '../../dist/config/coordinator-config.js';
import { GatewayWorkers } from '../../dist/gateway-workers.js';
import { InMemoryModelPlacement } from '../../dist/placement/index.js';
import { systemClock } from '../../dist/runtime/clock.js';
import { silentLogger } from '../../dist/runtime/logger.js';
import { tuneForRequests } from '../../dist/runtime/tune-v8.js';
import { benchEndpoint } from './bench-endpoint.mjs';

// As the coordinator does.
tuneForRequests();
const any = '127.0.0.1:0';
const placement = new InMemoryModelPlacement({});
const endpoints = process.argv[2].split(',').map(benchEndpoint);
for (const endpoint of endpoints) placement.upsert(endpoint);
const workers = new GatewayWorkers({
  config: coordinatorSchema.parse({
    listen: { gateway: any, control: any, probe: any, metrics: any },
    gateway: { workers: Number(process.argv[3]) },
  }),
  endpoints: {
    all: () => endpoints,
    get: (id) => endpoints.find((endpoint) => endpoint.id === id),
    onNews: () => () => undefined,
  },
  placementOf: () => placement,
  work: { placed: () => undefined, firstToken: () => undefined, released: () => undefined },
  registry: new Registry(),
  clock: systemClock,
  logger: silentLogger(),
});
// The workers' own log would go between the rows of the table.
process.env['INFERNODE_LOG_LEVEL'] = 'fatal';
await workers.start();
console.log(JSON.stringify({ port: workers.address().port }));
process.on('SIGTERM', () => {
  workers.destroy('the bench is over');
  void workers.close().then(() => process.exit(0));
});
