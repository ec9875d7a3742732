/** X.509 by the openssl program: no shell, names as arguments and in a file of ours. Node can read certificates, not make them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InfernodeError, messageOf } from '../../domain/error-codes.js';

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** `ca.crt` and `ca.key` in the folder. Throws `argument-invalid` when openssl is missing or refuses. */
export function createAuthority(directory: string, days: number): void {
  const key = join(directory, 'ca.key');
  openssl([
    ...['req', '-x509', ...newKey, '-keyout', key, '-out', join(directory, 'ca.crt')],
    ...['-days', String(days), '-subj', '/CN=infernode lab authority'],
    ...[
      '-addext',
      'basicConstraints=critical,CA:TRUE,pathlen:0',
      '-addext',
      'keyUsage=critical,keyCertSign,cRLSign',
    ],
  ]);
}

/** `<first name>.crt` and `.key`, for servers and clients alike. Answers the path without its ending. */
export function issueCertificate(directory: string, names: readonly string[], days: number): string {
  const [first = ''] = names;
  const path = join(directory, first.replaceAll(':', '_'));
  const work = mkdtempSync(join(tmpdir(), 'infernode-certs-'));
  try {
    const request = join(work, 'request');
    const extensions = join(work, 'extensions');
    const alternatives = names.map((name) => `${isIP(name) ? 'IP' : 'DNS'}:${name}`).join(',');
    writeFileSync(
      extensions,
      `basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=${alternatives}\n`,
    );
    openssl(['req', ...newKey, '-keyout', `${path}.key`, '-out', request, '-subj', `/CN=${first}`]);
    openssl([
      ...[
        'x509',
        '-req',
        '-in',
        request,
        '-out',
        `${path}.crt`,
        '-days',
        String(days),
        '-extfile',
        extensions,
      ],
      ...['-CA', join(directory, 'ca.crt'), '-CAkey', join(directory, 'ca.key'), '-CAcreateserial'],
    ]);
    return path;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function openssl(args: readonly string[]): void {
  // What openssl creates is its owner's alone.
  const before = process.umask(0o077);
  try {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 30_000 });
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const why = missing ? 'it is not on the PATH; install the package openssl' : lastLine(error);
    throw new InfernodeError('argument-invalid', `openssl ${args[0]} failed: ${why}`, { cause: error });
  } finally {
    process.umask(before);
  }
}

function lastLine(error: unknown): string {
  const stderr = (error as { stderr?: Buffer }).stderr?.toString().trim().split('\n').at(-1);
  return stderr || messageOf(error);
}
