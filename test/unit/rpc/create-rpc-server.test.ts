/** Shows over real sockets that a listener with TLS, mTLS or a token turns away whoever lacks them, with a reason. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Settings } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { credentials, Metadata, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { formatAddress } from '../../../src/config/listen-address.js';
import type { ClientTlsConfig, TlsConfig } from '../../../src/config/tls-config.js';
import { InfernodeError } from '../../../src/domain/error-codes.js';
import { createRpcServer } from '../../../src/rpc/create-rpc-server.js';
import { nodePackage, nodeProto } from '../../../src/rpc/node-package.js';
import { NodeServiceClient } from '../../../src/rpc/node-service-client.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { repositoryRoot } from '../../support/source-tree.js';

const certs = fileURLToPath(new URL('../../support/certs/', import.meta.url));
const serverTls: TlsConfig = { certificate: `${certs}server.pem`, key: `${certs}server.key` };
const clientTls: ClientTlsConfig = { ca: `${certs}ca.pem` };

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function temporaryFile(content: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'infernode-rpc-'));
  closers.push(() => rmSync(dir, { recursive: true }));
  const path = join(dir, 'tokens');
  writeFileSync(path, content);
  return path;
}

async function serve(tls?: TlsConfig, port = 0, limits: { idleMs?: number } = {}) {
  const server = createRpcServer({
    listen: { host: '127.0.0.1', port },
    tls,
    services: [
      {
        definition: nodeProto.NodeService.service,
        handlers: {
          ListEngines: (_call: unknown, done: (error: null, value: object) => void) =>
            done(null, { engines: [] }),
        },
      },
    ],
    packages: [nodePackage],
    ...limits,
    clock: systemClock,
    logger: silentLogger(),
  });
  closers.push(() => server.close());
  await server.start();
  return server;
}

async function outcome(address: string, tls?: ClientTlsConfig): Promise<string> {
  const client = new NodeServiceClient({ address, tls });
  try {
    await client.listEngines();
    return 'ok';
  } catch (error) {
    return error instanceof InfernodeError ? error.code : String(error);
  } finally {
    client.close();
  }
}

describe('createRpcServer', () => {
  it('without tls answers plain text and reports the port it got', async () => {
    const { address } = await serve();
    expect(address.port).toBeGreaterThan(0);
    expect(await outcome(formatAddress(address))).toBe('ok');
  });

  it('a message over 4 MiB, or a header without end, is refused, and the next caller is served', async () => {
    const address = formatAddress((await serve()).address);
    const stub = new nodeProto.NodeService(address, credentials.createInsecure());
    closers.push(() => stub.close());
    const stop = (engineId: string, metadata = new Metadata()): Promise<number | undefined> =>
      new Promise((resolve) => stub.stopEngine({ engineId }, metadata, (error) => resolve(error?.code)));
    expect(await stop('x')).toBe(status.UNIMPLEMENTED);
    expect(await stop('x'.repeat(5 * 1024 * 1024))).toBe(status.RESOURCE_EXHAUSTED);
    const large = new Metadata();
    for (let i = 0; i < 64; i += 1) large.set(`x-${i}`, 'x'.repeat(4 * 1024));
    expect(await stop('x', large)).not.toBe(status.UNIMPLEMENTED);
    expect(await outcome(address)).toBe('ok');
  });

  it('a connection has at most 1024 calls at a time, and ends when it has had none for long', async () => {
    const address = formatAddress((await serve(undefined, 0, { idleMs: 1 })).address);
    const session = connect(`http://${address}`);
    closers.push(() => session.destroy());
    session.on('error', () => undefined);
    const ended = once(session, 'close');
    const [settings] = (await once(session, 'remoteSettings')) as [Settings];
    expect(settings.maxConcurrentStreams).toBe(1024);
    await ended;
  });

  it('the command line calls an address over TLS without a warning', async () => {
    const address = formatAddress((await serve(serverTls)).address);
    const main = join(repositoryRoot, 'dist', 'main.js');
    const args = ['engines', 'list', '--agent', address, '--tls-ca', `${certs}ca.pem`, '--json'];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [main, ...args]);
    expect(JSON.parse(stdout)).toEqual([]);
    expect(stderr).toBe('');
  });

  it('with tls refuses plain text and an unknown authority', async () => {
    const address = formatAddress((await serve(serverTls)).address);
    expect(await outcome(address)).toBe('node-unreachable');
    expect(await outcome(address, clientTls)).toBe('ok');
    expect(await outcome(address, { ...clientTls, serverName: 'other.example' })).toBe('node-unreachable');
  });

  it('with clientCa wants a client certificate', async () => {
    const address = formatAddress((await serve({ ...serverTls, clientCa: `${certs}ca.pem` })).address);
    expect(await outcome(address, clientTls)).toBe('node-unreachable');
    const withCertificate = { ...clientTls, certificate: `${certs}client.pem`, key: `${certs}client.key` };
    expect(await outcome(address, withCertificate)).toBe('ok');
  });

  it('with tokenFile wants one of its tokens, also after a rotation', async () => {
    const tokens = temporaryFile('# operators\nfirst\nsecond\n');
    const address = formatAddress((await serve({ ...serverTls, tokenFile: tokens })).address);
    expect(await outcome(address, clientTls)).toBe('unauthenticated');
    expect(await outcome(address, { ...clientTls, tokenFile: temporaryFile('wrong') })).toBe(
      'unauthenticated',
    );
    expect(await outcome(address, { ...clientTls, tokenFile: temporaryFile('second\n') })).toBe('ok');
    writeFileSync(tokens, 'third-and-longer-than-before\n');
    expect(await outcome(address, { ...clientTls, tokenFile: temporaryFile('second\n') })).toBe(
      'unauthenticated',
    );
  });

  it('names field and file when a certificate cannot be read', () => {
    expect(() => createRpcServerWith({ ...serverTls, tokenFile: '/nowhere/tokens' })).toThrow(
      /tls\.tokenFile, got "\/nowhere\/tokens"/,
    );
  });

  it('says which address is taken', async () => {
    const { address } = await serve();
    await expect(serve(undefined, address.port)).rejects.toThrow(
      new RegExp(`listen on 127.0.0.1:${address.port}`),
    );
  });
});

function createRpcServerWith(tls: TlsConfig): void {
  createRpcServer({
    listen: { host: '127.0.0.1', port: 0 },
    tls,
    services: [],
    packages: [nodePackage],
    clock: systemClock,
    logger: silentLogger(),
  });
}
