/**
 * Who may talk to whom. A loopback listener without `tls` is plain text; everything else is TLS, with a client
 * certificate (mTLS), a bearer token, or both. Certificates and tokens are read again when their files change, so that
 * they can be rotated without a restart.
 */
import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createHash, timingSafeEqual } from 'node:crypto';
import {
  credentials,
  experimental,
  Metadata,
  ServerCredentials,
  type ChannelCredentials,
  type ChannelOptions,
} from '@grpc/grpc-js';
import type { ClientTlsConfig, TlsConfig } from '../config/tls-config.js';
import { roles, type Caller, type Role } from '../domain/access.js';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import { TlsFiles } from './tls-files.js';

/**
 * A client without a certificate is turned away in the handshake. grpc-js declares the providers as (authority, identity) and passes them to a
 * constructor that takes (identity, authority): given here in the order in which they arrive, which a test holds fast.
 */
export function serverCredentials(tls: TlsConfig | undefined): {
  credentials: ServerCredentials;
  files: TlsFiles | null;
} {
  if (!tls) return { credentials: ServerCredentials.createInsecure(), files: null };
  const { certificate, key, clientCa } = tls;
  const files = new TlsFiles({ certificate, key, ...(clientCa ? { ca: clientCa } : {}) });
  const create = experimental.createCertificateProviderServerCredentials as (
    identity: TlsFiles,
    authority: TlsFiles | null,
    requireClientCertificate: boolean,
  ) => ServerCredentials;
  return { credentials: create(files, clientCa ? files : null, clientCa !== undefined), files };
}

export interface ClientCredentials {
  credentials: ChannelCredentials;
  options: ChannelOptions;
}

export function clientCredentials(tls: ClientTlsConfig | undefined): ClientCredentials {
  if (!tls) return { credentials: credentials.createInsecure(), options: {} };
  const { ca, certificate, key, serverName } = tls;
  const own = certificate !== undefined && key !== undefined ? new TlsFiles({ certificate, key }) : null;
  const channel = experimental.createCertificateProviderChannelCredentials(new TlsFiles({ ca }), own);
  const options: ChannelOptions = serverName
    ? { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName }
    : {};
  return { credentials: tls.tokenFile ? withToken(channel, tls.tokenFile) : channel, options };
}

function withToken(channel: ChannelCredentials, tokenFile: string): ChannelCredentials {
  const perCall = credentials.createFromMetadataGenerator((_context, callback) => {
    readFile(tokenFile, 'utf8').then(
      (text) => {
        const metadata = new Metadata();
        metadata.set('authorization', `Bearer ${firstToken(text)}`);
        callback(null, metadata);
      },
      (error: unknown) => callback(new Error(`cannot read tls.tokenFile: ${messageOf(error)}`)),
    );
  });
  return credentials.combineChannelCredentials(channel, perCall);
}

/** A client's file has one token; what a server's file says after it is not sent. */
function firstToken(text: string): string {
  return meaningfulLines(text)[0]?.split(/\s+/)[0] ?? '';
}

interface KnownToken extends Caller {
  digest: Buffer;
}

/**
 * The tokens of a file, one per line: `TOKEN [ROLE [NAME]]`, an operator named `token` by default; `#` starts a comment.
 */
export class TokenVerifier {
  #tokens: KnownToken[] = [];
  /** Modification time, size and inode of what was read; `null` before the first read. */
  #version: string | null = null;

  constructor(readonly tokenFile: string) {
    this.#reload();
  }

  /** Whose token the call carries. Throws `unauthenticated`. Compares digests, so that neither length nor content leaks through time. */
  verify(metadata: Metadata): Caller {
    this.#reload();
    const value = metadata.get('authorization')[0];
    const token = typeof value === 'string' ? /^Bearer (.+)$/i.exec(value)?.[1] : undefined;
    const digest = sha256(token ?? '');
    const [known] = this.#tokens.filter((one) => timingSafeEqual(one.digest, digest));
    if (token === undefined || known === undefined)
      throw new InfernodeError('unauthenticated', 'expected a bearer token of this node in "authorization"');
    return { identity: known.identity, role: known.role };
  }

  /** A file that cannot be read, or does not make sense, keeps the tokens of before: a rotation in progress must not lock everybody out. */
  #reload(): void {
    try {
      const { mtimeMs, size, ino } = statSync(this.tokenFile);
      const version = `${mtimeMs}/${size}/${ino}`;
      if (version === this.#version) return;
      this.#tokens = meaningfulLines(readFileSync(this.tokenFile, 'utf8')).map(parseToken);
      this.#version = version;
    } catch (error) {
      if (this.#version === null)
        throw new InfernodeError(
          'config-invalid',
          `expected a readable file in tls.tokenFile, got "${this.tokenFile}": ${messageOf(error)}`,
          { cause: error },
        );
    }
  }
}

/** The line is not repeated in the message: it holds the secret. */
function parseToken(line: string, index: number): KnownToken {
  const [token = '', role = 'operator', identity = 'token'] = line.split(/\s+/);
  if (!roles.includes(role as Role))
    throw new Error(
      `token ${index + 1}: expected a role (${roles.join(', ')}) after the token, got "${role}"`,
    );
  return { digest: sha256(token), role: role as Role, identity };
}

function meaningfulLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
