/**
 * Certificates that are replaced while connections live: read again when a file changes, taken only when key and certificate fit each other,
 * so that a half-written pair keeps the old one in use. New connections get the new pair; streams that run go on.
 */
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import type { experimental } from '@grpc/grpc-js';
import { InfernodeError, messageOf } from '../domain/error-codes.js';

type CertificateProvider = NonNullable<
  Parameters<typeof experimental.createCertificateProviderChannelCredentials>[0]
>;
type CaListener = Parameters<CertificateProvider['addCaCertificateListener']>[0];
type IdentityListener = Parameters<CertificateProvider['addIdentityCertificateListener']>[0];

export interface TlsFilePaths {
  certificate?: string | undefined;
  key?: string | undefined;
  /** Whom to trust. */
  ca?: string | undefined;
}

interface Pems {
  certificate: Buffer | null;
  key: Buffer | null;
  ca: Buffer | null;
}

/** How often the files are looked at; three `stat` calls. */
const checkMs = 2_000;

export class TlsFiles implements CertificateProvider {
  readonly #paths: TlsFilePaths;
  readonly #caListeners = new Set<CaListener>();
  readonly #identityListeners = new Set<IdentityListener>();
  readonly #watchers = new Set<() => void>();
  #pems: Pems;
  #version: string;
  #timer: NodeJS.Timeout | null = null;
  /** Why the newest files are not in use; `null` when they are. */
  problem: string | null = null;

  /** Throws `config-invalid` when the files cannot be used at the start. */
  constructor(paths: TlsFilePaths) {
    this.#paths = paths;
    this.#version = this.#versionNow();
    this.#pems = this.#read();
  }

  /** End of the certificate's validity, ms since 1970; `null` without one. */
  get expiresAtMs(): number | null {
    const { certificate } = this.#pems;
    return certificate ? Date.parse(new X509Certificate(certificate).validTo) : null;
  }

  /** The pair and the authorities in use, for listeners that are not gRPC. */
  get secureContext(): SecureContextOptions {
    return secureContextOf(this.#pems);
  }

  /** Calls when other files are in use, and when they cannot be used (`problem` says why). Returns the end of it. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    this.#watch();
    return () => {
      this.#watchers.delete(watcher);
      this.#watch();
    };
  }

  /** Reads again at once, as at a reload; also called in the background while somebody listens. */
  check(): void {
    try {
      const version = this.#versionNow();
      if (version === this.#version && this.problem === null) return;
      this.#pems = this.#read();
      this.#version = version;
      this.problem = null;
    } catch (error) {
      const problem = messageOf(error);
      const isNews = problem !== this.problem;
      this.problem = problem;
      if (isNews) for (const watcher of this.#watchers) watcher();
      return;
    }
    for (const watcher of this.#watchers) watcher();
    for (const listener of this.#caListeners) this.#tellCa(listener);
    for (const listener of this.#identityListeners) this.#tellIdentity(listener);
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#caListeners.add(listener);
    process.nextTick(() => this.#tellCa(listener));
    this.#watch();
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#caListeners.delete(listener);
    this.#watch();
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.add(listener);
    process.nextTick(() => this.#tellIdentity(listener));
    this.#watch();
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.delete(listener);
    this.#watch();
  }

  #tellCa(listener: CaListener): void {
    const { ca } = this.#pems;
    if (this.#caListeners.has(listener)) listener(ca ? { caCertificate: ca } : null);
  }

  #tellIdentity(listener: IdentityListener): void {
    const { certificate, key } = this.#pems;
    if (this.#identityListeners.has(listener))
      listener(certificate && key ? { certificate, privateKey: key } : null);
  }

  #watch(): void {
    const wanted = this.#caListeners.size + this.#identityListeners.size + this.#watchers.size > 0;
    if (wanted) this.#timer ??= setInterval(() => this.check(), checkMs).unref();
    else if (this.#timer) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }

  #versionNow(): string {
    return (Object.entries(this.#paths) as [string, string][])
      .map(([field, path]) => {
        const { mtimeMs, size, ino } = statSync(expectFile(`tls.${field}`, path));
        return `${mtimeMs}/${size}/${ino}`;
      })
      .join(' ');
  }

  #read(): Pems {
    const read = (field: keyof TlsFilePaths): Buffer | null => {
      const path = this.#paths[field];
      return path === undefined ? null : readFileSync(expectFile(`tls.${field}`, path));
    };
    const pems = { certificate: read('certificate'), key: read('key'), ca: read('ca') };
    try {
      createSecureContext(secureContextOf(pems));
    } catch (error) {
      throw new InfernodeError(
        'config-invalid',
        `expected a certificate and its key in PEM, got ${this.#paths.certificate ?? this.#paths.ca}: ${messageOf(error)}`,
        { cause: error },
      );
    }
    return pems;
  }
}

function secureContextOf({ certificate, key, ca }: Pems): SecureContextOptions {
  return { ...(certificate && key ? { cert: certificate, key } : {}), ...(ca ? { ca } : {}) };
}

function expectFile(field: string, path: string): string {
  try {
    statSync(path);
    return path;
  } catch (error) {
    throw new InfernodeError(
      'config-invalid',
      `expected a readable PEM file in ${field}, got "${path}": ${messageOf(error)}`,
      { cause: error },
    );
  }
}
