import type { Command } from 'commander';
import type { ClientTlsConfig } from '../config/tls-config.js';
import { InfernodeError } from '../domain/error-codes.js';

/** How a command proves itself to a control listener beyond loopback. */
export interface ClientTlsOptions {
  tlsCa?: string;
  tlsCert?: string;
  tlsKey?: string;
  tokenFile?: string;
  tlsServerName?: string;
}

/** The same five flags on every command that calls an agent or a coordinator, each with its variable. */
export function addTlsOptions(command: Command): Command {
  return command
    .option(
      '--tls-ca <file>',
      'authority of the listener, PEM; with it the call is made over TLS [INFERNODE_CLIENT_CA]',
    )
    .option('--tls-cert <file>', 'own certificate, for mTLS [INFERNODE_CLIENT_CERT]')
    .option('--tls-key <file>', 'its key [INFERNODE_CLIENT_KEY]')
    .option('--token-file <file>', 'file with the bearer token [INFERNODE_CLIENT_TOKEN_FILE]')
    .option(
      '--tls-server-name <name>',
      "name in the listener's certificate, when it is not the address [INFERNODE_CLIENT_SERVER_NAME]",
    );
}

/** `undefined` without an authority: plain text, which only a loopback listener speaks. Throws `argument-invalid` for half a proof. */
export function tlsOf(
  options: ClientTlsOptions,
  env: NodeJS.ProcessEnv = process.env,
): ClientTlsConfig | undefined {
  const ca = options.tlsCa ?? env['INFERNODE_CLIENT_CA'];
  const certificate = options.tlsCert ?? env['INFERNODE_CLIENT_CERT'];
  const key = options.tlsKey ?? env['INFERNODE_CLIENT_KEY'];
  const tokenFile = options.tokenFile ?? env['INFERNODE_CLIENT_TOKEN_FILE'];
  const serverName = options.tlsServerName ?? env['INFERNODE_CLIENT_SERVER_NAME'];
  if ((certificate === undefined) !== (key === undefined))
    throw new InfernodeError(
      'argument-invalid',
      'expected --tls-cert and --tls-key together, got one of them',
    );
  if (ca === undefined) {
    if (certificate !== undefined || tokenFile !== undefined)
      throw new InfernodeError(
        'argument-invalid',
        'expected --tls-ca with --tls-cert or --token-file: nothing secret is sent in plain text',
      );
    return undefined;
  }
  return {
    ca,
    ...(certificate !== undefined && key !== undefined ? { certificate, key } : {}),
    ...(tokenFile !== undefined ? { tokenFile } : {}),
    ...(serverName !== undefined ? { serverName } : {}),
  };
}
