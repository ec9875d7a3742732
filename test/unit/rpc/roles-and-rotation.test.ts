/**
 * Who may call what, over real TLS: roles by certificate name and by token, what the audit log says, and certificates that are replaced under
 * a running server, half-written ones included.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pino } from 'pino';
import { Writable } from 'node:stream';
import { formatAddress } from '../../../src/config/listen-address.js';
import type { ClientTlsConfig, TlsConfig } from '../../../src/config/tls-config.js';
import { mayCall, requiredRole } from '../../../src/domain/access.js';
import { InfernodeError } from '../../../src/domain/error-codes.js';
import { createRpcServer, type RpcServer } from '../../../src/rpc/create-rpc-server.js';
import { nodePackage, nodeProto } from '../../../src/rpc/node-package.js';
import { placementProto } from '../../../src/rpc/placement-package.js';
import { TlsFiles } from '../../../src/rpc/tls-files.js';
import { NodeServiceClient } from '../../../src/rpc/node-service-client.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { eventually } from '../../support/running-up.js';

const certs = fileURLToPath(new URL('../../support/certs/', import.meta.url));
let directory: string;
let server: RpcServer | null = null;
let log: Record<string, unknown>[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infernode-roles-'));
  log = [];
  for (const name of ['server.pem', 'server.key', 'ca.pem', 'client.pem', 'client.key'])
    copyFileSync(`${certs}${name}`, join(directory, name));
});
afterEach(async () => {
  await server?.close();
  rmSync(directory, { recursive: true, force: true });
});

const file = (name: string) => join(directory, name);
const serverTls = (): TlsConfig => ({ certificate: file('server.pem'), key: file('server.key') });
const mutual = (): TlsConfig => ({ ...serverTls(), clientCa: file('ca.pem') });
const clientTls = (): ClientTlsConfig => ({ ca: file('ca.pem') });
const withCertificate = (): ClientTlsConfig => ({
  ...clientTls(),
  certificate: file('client.pem'),
  key: file('client.key'),
});

async function serve(tls: TlsConfig): Promise<string> {
  const sink = new Writable({
    write: (line: Buffer, _encoding, done) => {
      log.push(JSON.parse(line.toString()) as Record<string, unknown>);
      done();
    },
  });
  const answer = (_call: unknown, done: (error: null, value: object) => void) => done(null, {});
  server = createRpcServer({
    listen: { host: '127.0.0.1', port: 0 },
    tls,
    services: [
      {
        definition: nodeProto.NodeService.service,
        handlers: { ListEngines: answer, StopEngine: answer, CordonDevice: answer },
      },
    ],
    packages: [nodePackage],
    clock: systemClock,
    logger: pino(sink),
  });
  await server.start();
  return formatAddress(server.address);
}

async function outcome(
  address: string,
  tls: ClientTlsConfig,
  call: 'list' | 'stop' | 'cordon',
): Promise<string> {
  const client = new NodeServiceClient({ address, tls });
  try {
    if (call === 'list') await client.listEngines();
    if (call === 'stop') await client.stopEngine({ engineId: 'chat-0' });
    if (call === 'cordon') await client.cordonDevice({ device: '0', holder: 'operator:me', reason: 'r' });
    return 'ok';
  } catch (error) {
    return error instanceof InfernodeError ? error.code : String(error);
  } finally {
    client.close();
  }
}
const outcomes = async (address: string, tls: ClientTlsConfig) => [
  await outcome(address, tls, 'list'),
  await outcome(address, tls, 'stop'),
  await outcome(address, tls, 'cordon'),
];
const refused = 'permission-denied';

describe('roles', () => {
  it.each([
    [undefined, ['ok', 'ok', 'ok']],
    [{ localhost: 'operator' }, ['ok', 'ok', 'ok']],
    [{ localhost: 'scaler' }, ['ok', 'ok', refused]],
    [{ localhost: 'viewer' }, ['ok', refused, refused]],
    [{ somebody: 'operator' }, [refused, refused, refused]],
  ] as const)('by the name in the certificate: %j', async (roles, expected) => {
    const address = await serve({ ...mutual(), ...(roles ? { roles } : {}) });
    expect(await outcomes(address, withCertificate())).toEqual(expected);
  });

  it('by token', async () => {
    writeFileSync(file('tokens'), '# who\none viewer grafana\ntwo scaler keda\nthree\n');
    const address = await serve({ ...serverTls(), tokenFile: file('tokens') });
    const withToken = (token: string): ClientTlsConfig => {
      writeFileSync(file(token), `${token}\n`);
      return { ...clientTls(), tokenFile: file(token) };
    };
    expect(await outcomes(address, withToken('one'))).toEqual(['ok', refused, refused]);
    expect(await outcomes(address, withToken('two'))).toEqual(['ok', 'ok', refused]);
    expect(await outcomes(address, withToken('three'))).toEqual(['ok', 'ok', 'ok']);
    // A line that makes no sense keeps the tokens of before, rather than locking everybody out.
    writeFileSync(file('tokens'), 'four emperor\n');
    expect(await outcome(address, withToken('three'), 'list')).toBe('ok');
  });

  it('every method has a role, and only an operator may call what nobody thought of', () => {
    const paths = [nodeProto.NodeService.service, placementProto.PlacementService.service].flatMap(
      (service) => Object.values(service).map(({ path }) => path),
    );
    const viewer = paths.filter((path) => mayCall('viewer', path)).map((path) => path.split('/')[2]);
    expect(viewer).toEqual(expect.arrayContaining(['GetNode', 'WatchNode', 'ListEngines', 'Explain']));
    for (const name of viewer)
      expect(name).not.toMatch(/^(Start|Stop|Cordon|Uncordon|Drain|Report|Release|Acquire)/);
    expect(requiredRole('/some.Service/Frobnicate')).toBe('operator');
  });
});

it('the audit log names who did what and how it ended, and leaves reads out', async () => {
  const address = await serve({ ...mutual(), roles: { localhost: 'scaler' } });
  await outcomes(address, withCertificate());
  const audit = log.filter((entry) => entry['audit'] === true);
  expect(audit).toMatchObject([
    { method: 'StopEngine', identity: 'localhost', role: 'scaler', result: 'OK' },
    { method: 'CordonDevice', identity: 'localhost', role: 'scaler', msg: 'call refused' },
  ]);
  expect(audit[0]?.['request']).toContain('chat-0');
});

describe('certificates that are replaced', () => {
  /** Serial number of what the server presents to a new connection. */
  const presented = (address: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const [host = '', port] = address.split(':');
      const socket = connect({
        host,
        port: Number(port),
        ca: readFileSync(file('ca.pem')),
        ALPNProtocols: ['h2'],
      });
      socket.once('secureConnect', () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      });
      socket.once('error', reject);
    });

  // Without a client authority the order in which grpc-js takes the two providers shows: see serverCredentials.
  it('are presented to new connections', async () => {
    writeFileSync(file('tokens'), 'secret\n');
    const address = await serve({ ...serverTls(), tokenFile: file('tokens') });
    const before = await presented(address);
    copyFileSync(`${certs}client.key`, file('server.key'));
    copyFileSync(`${certs}client.pem`, file('server.pem'));
    await eventually('the new certificate', async () => (await presented(address)) !== before);
  });

  it('half written, stay out of use until they fit', () => {
    const files = new TlsFiles({ certificate: file('server.pem'), key: file('server.key') });
    const given: (string | undefined)[] = [];
    files.addIdentityCertificateListener((update) => given.push(update?.certificate.toString()));
    const [old, replacement] = ['server.pem', 'client.pem'].map((name) =>
      readFileSync(`${certs}${name}`, 'utf8'),
    );
    copyFileSync(`${certs}client.key`, file('server.key'));
    files.check();
    expect(files.problem).toMatch(/certificate and its key/);
    writeFileSync(file('server.pem'), (replacement ?? '').slice(0, 200));
    files.check();
    expect([given, files.problem]).toEqual([[], expect.stringMatching(/certificate and its key/)]);
    writeFileSync(file('server.pem'), replacement ?? '');
    files.check();
    expect([given, files.problem]).toEqual([[replacement], null]);
    expect(old).not.toBe(replacement);
    rmSync(file('server.pem'));
    files.check();
    expect([given.length, files.problem]).toEqual([1, expect.stringMatching(/readable PEM/)]);
  });

  it('a stream that runs is not cut by it', async () => {
    const address = await serve(mutual());
    const client = new NodeServiceClient({ address, tls: withCertificate() });
    await client.listEngines();
    const before = await presentedMutual(address);
    copyFileSync(`${certs}client.key`, file('server.key'));
    copyFileSync(`${certs}client.pem`, file('server.pem'));
    await eventually('the new certificate', async () => (await presentedMutual(address)) !== before);
    await client.listEngines();
    client.close();
  });

  function presentedMutual(address: string): Promise<string> {
    const [host = '', port] = address.split(':');
    const [ca, cert, key] = ['ca.pem', 'client.pem', 'client.key'].map((name) =>
      readFileSync(`${certs}${name}`),
    );
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port: Number(port), ca, cert, key, ALPNProtocols: ['h2'] });
      socket.once('secureConnect', () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      });
      socket.once('error', reject);
    });
  }
});
