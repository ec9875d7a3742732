// The gateway over TLS, and with client certificates: a stream arrives whole, who shows no certificate is not served; a certificate
// that is replaced holds for the next connection, and half of a pair is not taken. Connections beyond their number are closed.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { connect as tlsConnect, type PeerCertificate } from 'node:tls';
import { request, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test, vi } from 'vitest';
import { silentLogger } from '../../../src/runtime/logger.js';
import { startGateway, type Harness } from '../../support/gateway-harness.js';
import { eventually } from '../../support/running-up.js';
import { answerStream, chunkEvent, doneEvent, ScriptedEngine } from '../../support/scripted-engine.js';

const file = (name: string): string => fileURLToPath(new URL(`../../support/certs/${name}`, import.meta.url));
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

async function setUp(clientCa?: string): Promise<Harness> {
  const engine = await ScriptedEngine.start(answerStream);
  const tls = { certificate: file('server.pem'), key: file('server.key'), ...(clientCa ? { clientCa } : {}) };
  const harness = await startGateway([engine], { tls });
  open.push(engine, harness);
  return harness;
}

function ask(harness: Harness, options: RequestOptions): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const call = request(
      `${harness.url}/v1/chat/completions`,
      { method: 'POST', headers: { 'content-type': 'application/json' }, agent: false, ...options },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text })).on('error', reject);
      },
    );
    call.on('error', reject).end(JSON.stringify({ model: 'model', stream: true, messages: [] }));
  });
}

const ca = readFileSync(file('ca.pem'));
const client = { cert: readFileSync(file('client.pem')), key: readFileSync(file('client.key')) };

test('a stream over TLS', async () => {
  const harness = await setUp();
  expect(harness.url).toMatch(/^https:/);
  const { status, text } = await ask(harness, { ca });
  expect([status, text]).toEqual([200, chunkEvent('Hello') + chunkEvent('.', 'stop') + doneEvent]);
});

test('with a client CA only who shows its certificate is served', async () => {
  const harness = await setUp(file('ca.pem'));
  await expect(ask(harness, { ca })).rejects.toThrow();
  await eventually(
    'the refusal is counted',
    async () => (await harness.metric('bad_connections_total', { reason: 'tls' })) === 1,
  );
  expect((await ask(harness, { ca, ...client })).status).toBe(200);
});

test('a replaced pair serves the next connection while an open stream goes on; half a pair keeps the old one', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'infernode-gateway-tls-'));
  open.push({ close: () => Promise.resolve(rmSync(directory, { recursive: true })) });
  const take = (name: string, as: string): void => copyFileSync(file(name), join(directory, as));
  take('server.pem', 'tls.pem');
  take('server.key', 'tls.key');
  const engine = await ScriptedEngine.start();
  const tls = { certificate: join(directory, 'tls.pem'), key: join(directory, 'tls.key') };
  const logger = silentLogger();
  const warn = vi.spyOn(logger, 'warn');
  const harness = await startGateway([engine], { tls, logger });
  open.push(engine, harness);
  const expiry = 'certificate_expiry_timestamp_seconds';
  const shown = async (): Promise<string> => (await certificateOf(harness.url)).fingerprint256;
  expect(await harness.metric(expiry)).toBeGreaterThan(Date.now() / 1000);
  const first = await shown();

  const streaming = ask(harness, { ca });
  const { response } = await engine.nextCall();
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write(chunkEvent('Hello'));
  writeFileSync(join(directory, 'tls.pem'), '-----BEGIN CERTIFICATE-----');
  await eventually('the half pair is refused', () => warn.mock.calls.length > 0);
  expect(await shown()).toBe(first);
  take('client.pem', 'tls.pem');
  take('client.key', 'tls.key');
  await eventually('the new certificate is shown', async () => (await shown()) !== first);
  response.end(chunkEvent('.', 'stop') + doneEvent);
  expect((await streaming).text).toContain('[DONE]');
});

test('connections beyond their number are closed and counted', async () => {
  const engine = await ScriptedEngine.start(answerStream);
  const harness = await startGateway([engine], { limits: { maxConnections: 1 } });
  open.push(engine, harness);
  const { hostname, port } = new URL(harness.url);
  const held = connect(Number(port), hostname);
  await new Promise((resolve) => held.once('connect', resolve));
  const extra = connect(Number(port), hostname);
  await new Promise((resolve) => extra.on('error', () => undefined).once('close', resolve));
  held.destroy();
  expect(await harness.metric('bad_connections_total', { reason: 'too-many' })).toBe(1);
});

function certificateOf(url: string): Promise<PeerCertificate> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = tlsConnect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate());
      socket.destroy();
    }).once('error', reject);
  });
}
