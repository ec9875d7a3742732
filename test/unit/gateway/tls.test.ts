// The gateway over TLS, and with client certificates: a stream arrives whole, who shows no certificate is not served.
import { readFileSync } from 'node:fs';
import { request, type RequestOptions } from 'node:https';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { startGateway, type Harness } from '../../support/gateway-harness.js';
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
  expect((await ask(harness, { ca, ...client })).status).toBe(200);
});
