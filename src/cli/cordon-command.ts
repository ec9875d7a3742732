import { Option, type Command } from 'commander';
import type { DeviceStatus } from '../domain/device.js';
import { NodeServiceClient } from '../rpc/node-service-client.js';
import { addAgentOptions, agentOf, type AgentOptions } from './call-listener.js';

interface CordonOptions extends AgentOptions {
  holder: string;
  reason?: string;
  json?: boolean;
}

/** Whose entry it is; by default that of who types. Helps say so without a name: the man page is written on another machine. */
export function holderOption(description: string): Option {
  const { USER = 'cli' } = process.env;
  return new Option('--holder <holder>', description).default(
    `operator:${USER}`,
    'operator: and your user name',
  );
}

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
  return addAgentOptions(command)
    .addOption(holderOption('operator:NAME, kubernetes, driver-release or health:CHECK'))
    .option('--json', 'the device as one JSON object');
}

async function call(
  options: CordonOptions,
  invoke: (client: NodeServiceClient) => Promise<DeviceStatus>,
): Promise<void> {
  const client = new NodeServiceClient(agentOf(options));
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
