import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { agentSchema } from '../config/agent-config.js';
import { coordinatorSchema } from '../config/coordinator-config.js';
import { secretValuesOf } from '../config/secret-values.js';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import { NodeServiceClient } from '../rpc/node-service-client.js';
import { addTlsOptions, tlsOf, type ClientTlsOptions } from './client-tls.js';
import { agentOf, coordinatorOf } from './call-listener.js';
import {
  agentParts,
  clusterPart,
  configPart,
  doctorPart,
  logParts,
  machinePart,
  metricsPart,
} from './debug/bundle-parts.js';
import { collectBundle, type BundlePart } from './debug/collect-bundle.js';
import { readConfiguration, tokensIn } from './debug/read-configuration.js';
import { tarGz } from './debug/tar-archive.js';
import { examine } from './doctor-command.js';
import { findRunningUp } from './up/up-state.js';

interface BundleOptions extends ClientTlsOptions {
  out?: string;
  agent?: string;
  node?: string;
  coordinator?: string;
  stateDir?: string;
  agentConfig?: string;
  coordinatorConfig?: string;
  engineLogs: boolean;
  json?: boolean;
}

/** Where the units of deploy/systemd look. */
const installed = { agent: '/etc/infernode/agent.yaml', coordinator: '/etc/infernode/coordinator.yaml' };

export function addDebugCommand(program: Command): void {
  const debug = program.command('debug').description('gather what is needed to find out what went wrong');
  addTlsOptions(
    debug
      .command('bundle')
      .description('one tar.gz of configuration, state, doctor, metrics, events and logs; secrets are masked')
      .option('-o, --out <file>', 'the file to write (default: infernode-debug-TIME.tar.gz here)')
      .option('--agent <host:port>', 'control address of the agent (default: as for `infernode explain`)')
      .option('--node <name>', 'node of the running `infernode up` (default: the first)')
      .option(
        '--coordinator <host:port>',
        'control address of the coordinator (default: as for `infernode status`)',
      )
      .option('--state-dir <dir>', 'state directory of the `infernode up` to ask')
      .option('--agent-config <file>', `its configuration (default: ${installed.agent}, where it exists)`)
      .option(
        '--coordinator-config <file>',
        `its configuration (default: ${installed.coordinator}, where it exists)`,
      )
      .option('--json', 'its name and what is in it as one JSON object')
      .option(
        '--no-engine-logs',
        'leave the engines’ own logs out: an engine may have been told to log prompts',
      ),
  )
    .addHelpText(
      'after',
      `
Each part is the last MiB of its source at most, and one that cannot be had is named with the reason. Nothing is sent anywhere.

Example:
  infernode debug bundle --out node-a.tar.gz`,
    )
    .action(writeBundle);
}

async function writeBundle(options: BundleOptions): Promise<void> {
  const up = findRunningUp(options.stateDir);
  const files = {
    agent:
      options.agentConfig ??
      ifThere(up ? join(up.directory, 'nodes', options.node ?? 'node-0', 'agent.yaml') : installed.agent),
    coordinator:
      options.coordinatorConfig ??
      ifThere(up ? join(up.directory, 'coordinator.yaml') : installed.coordinator),
  };
  const agent = readConfiguration(agentSchema, files.agent);
  const coordinator = readConfiguration(coordinatorSchema, files.coordinator);
  const listener = agentOf(options);
  const client = new NodeServiceClient(listener);
  try {
    const engines = await client.listEngines().catch(() => []);
    const node = up?.agents.find(({ grpc }) => grpc === listener.address);
    const parts: BundlePart[] = [
      machinePart,
      configPart('agent', agent),
      configPart('coordinator', coordinator),
      doctorPart(() => examine({ config: files.agent, coordinatorConfig: files.coordinator })),
      clusterPart(coordinatorOf(options)),
      metricsPart('agent', node?.metrics ?? agent.config.listen.metrics),
      metricsPart('coordinator', up?.coordinator.metrics ?? coordinator.config.listen.metrics),
      ...agentParts(
        client,
        engines.map(({ id }) => id),
        options.engineLogs,
      ),
      ...logParts(up?.directory ?? null),
    ];
    const secrets = [
      ...agent.secrets,
      ...coordinator.secrets,
      ...secretValuesOf({}, process.env),
      ...tokensIn(tlsOf(options)?.tokenFile),
    ];
    const { files: archived, contents } = await collectBundle(parts, secrets);
    const now = new Date();
    const out = options.out ?? `infernode-debug-${now.toISOString().replace(/[:.]/g, '-')}.tar.gz`;
    write(out, tarGz(archived, now.getTime()));
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ file: out, contents })}\n`
        : `${contents.map((line) => `  ${line}\n`).join('')}${out}\n`,
    );
  } finally {
    client.close();
  }
}

const ifThere = (file: string): string | undefined => (existsSync(file) ? file : undefined);

/** Readable for its owner alone, and never over another file. */
function write(out: string, data: Buffer): void {
  try {
    writeFileSync(out, data, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new InfernodeError(
      'argument-invalid',
      `expected --out to be a new file in a folder that can be written, got "${out}": ${messageOf(error)}`,
      { cause: error },
    );
  }
}
