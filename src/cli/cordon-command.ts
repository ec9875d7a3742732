import type { Command } from 'commander';
import type { DeviceStatus } from '../domain/device.js';
import { InfernodeError } from '../domain/error-codes.js';
import { NodeServiceClient } from '../rpc/node-service-client.js';
import { addTlsOptions, tlsOf, type ClientTlsOptions } from './client-tls.js';
import { findRunningUp } from './up/up-state.js';

interface CordonOptions extends ClientTlsOptions {
  agent?: string;
  node?: string;
  holder: string;
  reason?: string;
  json?: boolean;
}

const defaultAgent = '127.0.0.1:9470';
const defaultHolder = `operator:${process.env['USER'] ?? 'cli'}`;

/** `infernode cordon|uncordon DEVICE`: an operator's own entry, or the acknowledgement of a health cordon. */
export function addCordonCommands(program: Command): void {
  addOptions(program.command('cordon <device>'))
    .description('send no new work to a device (index or UUID); what runs there goes on')
    .option('--reason <text>', 'shown in status', 'cordoned by hand')
    .action((device: string, options: CordonOptions) =>
      call(options, (client) =>
        client.cordonDevice({ device, holder: options.holder, reason: options.reason ?? '' }),
      ),
    );
  addOptions(program.command('uncordon <device>'))
    .description('take back a cordon; with --holder health:CHECK acknowledge a fault that was mended by hand')
    .action((device: string, options: CordonOptions) =>
      call(options, (client) => client.uncordonDevice({ device, holder: options.holder })),
    );
}

function addOptions(command: Command): Command {
  return addTlsOptions(command)
    .option(
      '--agent <host:port>',
      `control address of the agent (default: a node of the running \`infernode up\`, else ${defaultAgent})`,
    )
    .option('--node <name>', 'node of the running `infernode up` (default: the first)')
    .option('--holder <holder>', 'operator:NAME, kubernetes, driver-release or health:CHECK', defaultHolder)
    .option('--json', 'the device as one JSON object');
}

/** The agent to ask: `--agent`, else a node of the running `up`, else the default port. */
export function resolveAgent({ agent, node }: Pick<CordonOptions, 'agent' | 'node'>): string {
  if (agent !== undefined) return agent;
  const agents = findRunningUp()?.agents ?? [];
  const chosen = node === undefined ? agents[0] : agents.find((one) => one.node === node);
  if (node !== undefined && !chosen)
    throw new InfernodeError(
      'argument-invalid',
      `expected --node to be one of ${agents.map((one) => one.node).join(', ') || '(no `infernode up` runs)'}, got "${node}"`,
    );
  return chosen?.grpc ?? defaultAgent;
}

async function call(
  options: CordonOptions,
  invoke: (client: NodeServiceClient) => Promise<DeviceStatus>,
): Promise<void> {
  const client = new NodeServiceClient({ address: resolveAgent(options), tls: tlsOf(options) });
  try {
    const device = await invoke(client);
    const { identity, health, reason, cordons } = device;
    const holders = cordons.map(({ holder }) => holder).join(', ');
    process.stdout.write(
      options.json
        ? `${JSON.stringify(device)}\n`
        : `GPU ${identity.index} (${identity.uuid}): ${health}${reason ? `, ${reason}` : ''}; ${holders ? `cordoned by ${holders}` : 'not cordoned'}\n`,
    );
  } finally {
    client.close();
  }
}
