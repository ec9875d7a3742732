/**
 * Who may talk to whom. A loopback listener without `tls` is plain text; everything else is TLS, with a client
 * certificate (mTLS), a bearer token, or both. Certificates are read once, at start; tokens are read again when the
 * file changes, so that a token can be rotated without a restart.
 */
import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createHash, timingSafeEqual } from 'node:crypto';
import {
  credentials,
  Metadata,
  ServerCredentials,
  type ChannelCredentials,
  type ChannelOptions,
} from '@grpc/grpc-js';
import type { ClientTlsConfig, TlsConfig } from '../config/tls-config.js';
import { InfernodeError, messageOf } from '../domain/error-codes.js';

export function serverCredentials(tls: TlsConfig | undefined): ServerCredentials {
  if (!tls) return ServerCredentials.createInsecure();
  const clientCa = tls.clientCa ? readPem('tls.clientCa', tls.clientCa) : null;
  return ServerCredentials.createSsl(
    clientCa,
    [
      {
        private_key: readPem('tls.key', tls.key),
        cert_chain: readPem('tls.certificate', tls.certificate),
      },
    ],
    // A client without a certificate is turned away in the handshake.
    clientCa !== null,
  );
}

export interface ClientCredentials {
  credentials: ChannelCredentials;
  options: ChannelOptions;
}

export function clientCredentials(tls: ClientTlsConfig | undefined): ClientCredentials {
  if (!tls) return { credentials: credentials.createInsecure(), options: {} };
  const channel = credentials.createSsl(
    readPem('tls.ca', tls.ca),
    tls.key ? readPem('tls.key', tls.key) : null,
    tls.certificate ? readPem('tls.certificate', tls.certificate) : null,
  );
  const options: ChannelOptions = tls.serverName
    ? { 'grpc.ssl_target_name_override': tls.serverName, 'grpc.default_authority': tls.serverName }
    : {};
  return { credentials: tls.tokenFile ? withToken(channel, tls.tokenFile) : channel, options };
}

function withToken(channel: ChannelCredentials, tokenFile: string): ChannelCredentials {
  const perCall = credentials.createFromMetadataGenerator((_context, callback) => {
    readFile(tokenFile, 'utf8').then(
      (text) => {
        const metadata = new Metadata();
        metadata.set('authorization', `Bearer ${firstLine(text)}`);
        callback(null, metadata);
      },
      (error: unknown) => callback(new Error(`cannot read tls.tokenFile: ${messageOf(error)}`)),
    );
  });
  return credentials.combineChannelCredentials(channel, perCall);
}

/** Says whether a call's metadata carries one of the tokens of the file (one per line, `#` starts a comment). */
export class TokenVerifier {
  #digests: Buffer[] = [];
  /** Modification time, size and inode of what was read; `null` before the first read. */
  #version: string | null = null;

  constructor(readonly tokenFile: string) {
    this.#reload();
  }

  /** Throws `unauthenticated`. Compares digests, so that neither length nor content leaks through time. */
  verify(metadata: Metadata): void {
    this.#reload();
    const value = metadata.get('authorization')[0];
    const token = typeof value === 'string' ? /^Bearer (.+)$/i.exec(value)?.[1] : undefined;
    const digest = sha256(token ?? '');
    const known = this.#digests.filter((d) => timingSafeEqual(d, digest)).length > 0;
    if (token === undefined || !known)
      throw new InfernodeError('unauthenticated', 'expected a bearer token of this node in "authorization"');
  }

  /** A file that cannot be read keeps the tokens of before: a rotation in progress must not lock everybody out. */
  #reload(): void {
    try {
      const { mtimeMs, size, ino } = statSync(this.tokenFile);
      const version = `${mtimeMs}/${size}/${ino}`;
      if (version === this.#version) return;
      this.#digests = readFileSync(this.tokenFile, 'utf8')
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map(sha256);
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

function readPem(field: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new InfernodeError(
      'config-invalid',
      `expected a readable PEM file in ${field}, got "${path}": ${messageOf(error)}`,
      { cause: error },
    );
  }
}

function firstLine(text: string): string {
  return (
    text
      .split('\n')
      .map((line) => line.trim())
      .find((line) => line !== '' && !line.startsWith('#')) ?? ''
  );
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
