import type { Command } from 'commander';
import { InfernodeError } from '../domain/error-codes.js';
import { ClusterServiceClient } from '../rpc/cluster-service-client.js';
import { addTlsOptions, tlsOf, type ClientTlsOptions } from './client-tls.js';
import { renderStatus } from './status-table.js';
import { findRunningUp } from './up/up-state.js';

interface StatusOptions extends ClientTlsOptions {
  coordinator?: string;
  stateDir?: string;
  json?: boolean;
}

const defaultCoordinator = '127.0.0.1:9480';

export function addStatusCommand(program: Command): void {
  addTlsOptions(program.command('status'))
    .description('show nodes, devices, engines and the work in flight, as the coordinator sees them')
    .option(
      '--coordinator <host:port>',
      `control address (default: the running \`infernode up\`, else ${defaultCoordinator})`,
    )
    .option('--state-dir <dir>', 'state directory of the `infernode up` to ask')
    .option('--json', 'the whole state as one JSON object')
    .action(async ({ coordinator, stateDir, json, ...tls }: StatusOptions) => {
      const up = coordinator === undefined ? findRunningUp(stateDir) : null;
      const client = new ClusterServiceClient({
        address: coordinator ?? up?.coordinator.grpc ?? defaultCoordinator,
        tls: tlsOf(tls),
      });
      try {
        const cluster = await client.getCluster();
        const text = json
          ? JSON.stringify({
              ...cluster,
              nodes: cluster.nodes.map(({ state, ...watch }) => ({ ...watch, ...state })),
            })
          : renderStatus(cluster);
        process.stdout.write(`${text}\n`);
      } catch (error) {
        if (!(error instanceof InfernodeError) || error.code !== 'node-unreachable') throw error;
        const hint =
          up || coordinator
            ? ''
            : '; no running `infernode up` was found either: start one, or give --coordinator';
        throw new InfernodeError(error.code, `${error.message}${hint}`, { cause: error });
      } finally {
        client.close();
      }
    });
}
