import type { Command } from 'commander';
import type { ClientTlsConfig } from '../config/tls-config.js';
import { InfernodeError } from '../domain/error-codes.js';
import { addTlsOptions, tlsOf, type ClientTlsOptions } from './client-tls.js';
import { findRunningUp } from './up/up-state.js';

const defaultAgent = '127.0.0.1:9470';
const defaultCoordinator = '127.0.0.1:9480';

/** Whom a command calls, and how it proves itself there. */
export interface Listener {
  address: string;
  tls: ClientTlsConfig | undefined;
}

export interface AgentOptions extends ClientTlsOptions {
  agent?: string;
  node?: string;
}

export interface CoordinatorOptions extends ClientTlsOptions {
  coordinator?: string;
  stateDir?: string;
}

/** `--agent`, `--node` and the TLS flags: the same on every command that calls an agent. */
export function addAgentOptions(command: Command): Command {
  return addTlsOptions(
    command
      .option(
        '--agent <host:port>',
        `control address of the agent (default: a node of the running \`infernode up\`, else ${defaultAgent})`,
      )
      .option('--node <name>', 'node of the running `infernode up` (default: the first)'),
  );
}

/** `--coordinator`, `--state-dir` and the TLS flags: the same on every command that calls a coordinator. */
export function addCoordinatorOptions(command: Command): Command {
  return addTlsOptions(
    command
      .option(
        '--coordinator <host:port>',
        `control address (default: the running \`infernode up\`, else ${defaultCoordinator})`,
      )
      .option('--state-dir <dir>', 'state directory of the `infernode up` to ask'),
  );
}

/** The agent to call: `--agent`, else a node of the running `up`, else the default port. Throws `argument-invalid`. */
export function agentOf(options: AgentOptions): Listener {
  const { agent, node } = options;
  const tls = tlsOf(options);
  if (agent !== undefined) return { address: agent, tls };
  const agents = findRunningUp()?.agents ?? [];
  const chosen = node === undefined ? agents[0] : agents.find((one) => one.node === node);
  if (node !== undefined && !chosen)
    throw new InfernodeError(
      'argument-invalid',
      `expected --node to be one of ${agents.map((one) => one.node).join(', ') || '(no `infernode up` runs)'}, got "${node}"`,
    );
  return { address: chosen?.grpc ?? defaultAgent, tls };
}

/** The coordinator to call: `--coordinator`, else that of the running `up`, else the default port. Throws `argument-invalid`. */
export function coordinatorOf(options: CoordinatorOptions): Listener {
  const { coordinator, stateDir } = options;
  const tls = tlsOf(options);
  const address = coordinator ?? findRunningUp(stateDir)?.coordinator.grpc ?? defaultCoordinator;
  return { address, tls };
}

/** Runs `call`; a coordinator that was only guessed and does not answer is told with what would name one. */
export async function withCoordinatorHint<T>(
  options: CoordinatorOptions,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const guessed = options.coordinator === undefined && findRunningUp(options.stateDir) === null;
    if (!guessed || !(error instanceof InfernodeError) || error.code !== 'node-unreachable') throw error;
    throw new InfernodeError(
      error.code,
      `${error.message}; no running \`infernode up\` was found either: start one, or give --coordinator`,
      { cause: error },
    );
  }
}
