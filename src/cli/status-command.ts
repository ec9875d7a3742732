import type { Command } from 'commander';
import { ClusterServiceClient } from '../rpc/cluster-service-client.js';
import {
  addCoordinatorOptions,
  coordinatorOf,
  withCoordinatorHint,
  type CoordinatorOptions,
} from './call-listener.js';
import { renderStatus } from './status-table.js';

interface StatusOptions extends CoordinatorOptions {
  json?: boolean;
}

export function addStatusCommand(program: Command): void {
  addCoordinatorOptions(program.command('status'))
    .description('show nodes, devices, engines and the work in flight, as the coordinator sees them')
    .option('--json', 'the whole state as one JSON object')
    .action(async (options: StatusOptions) => {
      const client = new ClusterServiceClient(coordinatorOf(options));
      try {
        const cluster = await withCoordinatorHint(options, () => client.getCluster());
        const text = options.json
          ? JSON.stringify({
              ...cluster,
              nodes: cluster.nodes.map(({ state, ...watch }) => ({ ...watch, ...state })),
            })
          : renderStatus(cluster);
        process.stdout.write(`${text}\n`);
      } finally {
        client.close();
      }
    });
}
