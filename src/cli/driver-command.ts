import { InvalidArgumentError, type Command } from 'commander';
import type { DriverState } from '../domain/device.js';
import { NodeServiceClient } from '../rpc/node-service-client.js';
import { addAgentOptions, agentOf, type AgentOptions } from './call-listener.js';
import { holderOption } from './cordon-command.js';

interface TargetOptions extends AgentOptions {
  drain?: number;
  json?: boolean;
}

/** `infernode driver release|acquire`, and `infernode acknowledge`: what an operator does beside the agent's own actions. */
export function addDriverCommands(program: Command): void {
  const driver = program
    .command('driver')
    .description('let go of the GPU driver for an upgrade or a reset by hand, and take it back');
  addAgentOptions(driver.command('release'))
    .description(
      'cordon the GPUs, drain and stop the engines, close NVML; holds until `driver acquire`, over a restart of the agent too',
    )
    .option('--drain <seconds>', "drain deadline (default: the templates' own)", seconds)
    .option('--json', 'the state of the driver as one JSON object')
    .action((options: TargetOptions) =>
      call(options, (client) => client.releaseDriver((options.drain ?? 0) * 1000)),
    );
  addAgentOptions(driver.command('acquire'))
    .description('open NVML again, lift the cordons, start the engines that the release stopped')
    .option('--json', 'the state of the driver as one JSON object')
    .action((options: TargetOptions) => call(options, (client) => client.acquireDriver()));
  addAgentOptions(program.command('acknowledge <check> [gpu]'))
    .description(
      'take the responsibility for a finding that only a repair ends; without a GPU: of the node as a whole',
    )
    .addOption(holderOption('who you are'))
    .option('--json', 'the findings that are left, as one JSON array')
    .addHelpText('after', '\nExample:\n  infernode acknowledge row_remap_failure 3')
    .action(async (check: string, gpu: string | undefined, options: TargetOptions & { holder: string }) => {
      const client = new NodeServiceClient(agentOf(options));
      try {
        const left = await client.acknowledgeCondition({ device: gpu ?? '', check, holder: options.holder });
        process.stdout.write(
          options.json
            ? `${JSON.stringify(left)}\n`
            : `acknowledged ${check}; ${left.length} findings are left\n`,
        );
      } finally {
        client.close();
      }
    });
}

async function call(
  options: TargetOptions,
  invoke: (client: NodeServiceClient) => Promise<DriverState>,
): Promise<void> {
  const client = new NodeServiceClient(agentOf(options));
  try {
    const driver = await invoke(client);
    const said = driver.state === 'ok' ? driver.driverVersion : driver.reason;
    process.stdout.write(options.json ? `${JSON.stringify(driver)}\n` : `driver ${driver.state}: ${said}\n`);
    if (driver.state !== 'ok' && driver.state !== 'released') process.exitCode = 1;
  } finally {
    client.close();
  }
}

function seconds(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`expected seconds, got "${text}"`);
}
