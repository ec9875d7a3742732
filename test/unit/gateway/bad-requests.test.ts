// What clients get wrong is answered here, in OpenAI's form and with a request id, and never reaches an engine.
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chatBody, post, startGateway, type Harness } from '../../support/gateway-harness.js';
import { answerJson, ScriptedEngine } from '../../support/scripted-engine.js';

let engine: ScriptedEngine;
let harness: Harness;
beforeAll(async () => {
  engine = await ScriptedEngine.start(answerJson);
  harness = await startGateway([engine], { limits: { maxBodyBytes: 10_000 } });
});
afterAll(async () => {
  await harness.close();
  await engine.close();
});

const chat = '/v1/chat/completions';

/** All that comes until the connection is closed. */
function rawAnswer(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.on('data', (data: Buffer) => (answer += data.toString()));
    socket.on('error', () => undefined).on('close', () => resolve(answer));
  });
}

test.each<[string, string, string | object | Buffer, Record<string, string>, number, string, string | null]>([
  ['invalid JSON', chat, '{"model":', {}, 400, 'request-invalid', null],
  ['an empty body', chat, '', {}, 400, 'request-invalid', null],
  ['a list', chat, '[]', {}, 400, 'request-invalid', null],
  ['no model', chat, { messages: [] }, {}, 400, 'request-invalid', 'model'],
  ['a model that is no string', chat, { model: 3 }, {}, 400, 'request-invalid', 'model'],
  ['an unknown model', chat, { model: 'nobody' }, {}, 404, 'model-unknown', 'model'],
  [
    'deep nesting',
    chat,
    `{"model":"model","x":${'['.repeat(100)}${']'.repeat(100)}}`,
    {},
    400,
    'request-invalid',
    null,
  ],
  ['an oversized body', chat, 'x'.repeat(20_000), {}, 413, 'body-too-large', null],
  [
    'another content type',
    chat,
    chatBody,
    { 'content-type': 'text/plain' },
    415,
    'media-type-unsupported',
    null,
  ],
  ['a compressed body', chat, chatBody, { 'content-encoding': 'gzip' }, 415, 'media-type-unsupported', null],
  ['an unknown path', '/v2/chat', chatBody, {}, 404, 'path-unknown', null],
  ['the root', '/', chatBody, {}, 404, 'path-unknown', null],
  ['a path that climbs', '/v1/%2e%2e/sleep', chatBody, {}, 404, 'path-unknown', null],
  ['a path with an encoded slash climb', '/v1/..%2fsleep', chatBody, {}, 404, 'path-unknown', null],
  ["an engine owner's path", '/v1/load_lora_adapter', chatBody, {}, 404, 'path-unknown', null],
])('%s', async (_, path, body, headers, status, code, param) => {
  const answer = await post(`${harness.url}${path}`, body, { 'x-request-id': 'r-1', ...headers });
  expect({ status: answer.status, error: answer.json.error }).toEqual({
    status,
    error: { message: expect.any(String) as string, type: expect.any(String) as string, param, code },
  });
  expect(answer.headers['x-request-id']).toBe('r-1');
  expect(engine.calls).toEqual([]);
});

test('an oversized body without a declared length is cut at the limit', async () => {
  async function* endless(): AsyncGenerator<Buffer> {
    for (let i = 0; i < 8; i++) yield Buffer.alloc(4000, 0x20);
  }
  const { statusCode, body } = await request(`${harness.url}${chat}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: Readable.from(endless()),
  });
  expect(statusCode).toBe(413);
  await body.dump();
  expect(engine.calls).toEqual([]);
});

test('a wrong method gets 405 with Allow', async () => {
  const { statusCode, headers, body } = await request(`${harness.url}${chat}`, { method: 'GET' });
  expect([statusCode, headers['allow']]).toEqual([405, 'POST']);
  expect(await body.json()).toMatchObject({
    error: { code: 'method-not-allowed', type: 'MethodNotAllowedError' },
  });
  const models = await request(`${harness.url}/v1/models`, { method: 'DELETE' });
  expect([models.statusCode, models.headers['allow']]).toEqual([405, 'GET, HEAD']);
  await models.body.dump();
});

test('too many headers get 431', async () => {
  const many = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`x-${i}`, '1']));
  expect((await post(`${harness.url}${chat}`, chatBody, many)).status).toBe(431);
});

test('headers that are too large get 431 in the usual form, and the connection is closed', async () => {
  const { port } = harness.gateway.address();
  const answer = await rawAnswer(
    port,
    `POST ${chat} HTTP/1.1\r\nhost: a\r\nx-large: ${'x'.repeat(20_000)}\r\n\r\n`,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  expect(answer).toContain('"message":"the headers are too large"');
  expect(engine.calls).toEqual([]);
});

test('malformed HTTP gets a 400 in the usual form and the connection is closed', async () => {
  const { port } = harness.gateway.address();
  const answer = await rawAnswer(port, 'NONSENSE\r\n\r\n');
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain('"code":"request-invalid"');
});

test('a request id that is not one visible line is replaced', async () => {
  const answer = await post(`${harness.url}${chat}`, '', { 'x-request-id': 'a b' });
  expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
});

test('refusals are counted without creating series from what clients send', async () => {
  expect(await harness.metric('requests_total', { model: 'unknown', outcome: 'rejected' })).toBeGreaterThan(
    10,
  );
  expect(await harness.registry.metrics()).not.toContain('nobody');
});

test('models: the list, one of them, an unknown one', async () => {
  const list = await request(`${harness.url}/v1/models`);
  expect(await list.body.json()).toMatchObject({
    object: 'list',
    data: [
      { id: 'model', object: 'model' },
      { id: 'alias', object: 'model' },
    ],
  });
  const one = await request(`${harness.url}/v1/models/alias`);
  expect(await one.body.json()).toMatchObject({ id: 'alias', object: 'model' });
  const none = await request(`${harness.url}/v1/models/nobody`);
  expect(none.statusCode).toBe(404);
  await none.body.dump();
});
