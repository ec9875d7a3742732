// Everything under /v1 that an engine may have: relayed as it is, placed by load, its model found where it can be.
import { request } from 'undici';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { post, startGateway, type Harness } from '../../support/gateway-harness.js';
import { answerJson, ScriptedEngine } from '../../support/scripted-engine.js';

let engine: ScriptedEngine;
let harness: Harness;
beforeEach(async () => {
  engine = await ScriptedEngine.start((call) => answerJson(call, { ok: true }));
  harness = await startGateway([engine]);
});
afterEach(async () => {
  await harness.close();
  await engine.close();
});

test('JSON: the model is read, an alias replaced, the rest untouched', async () => {
  const answer = await post(`${harness.url}/v1/rerank`, '{"query": "q", "model": "alias", "n":1.0}');
  expect(answer.json).toEqual({ ok: true });
  expect(engine.calls[0]?.body.toString()).toBe('{"query": "q", "model": "model", "n":1.0}');
  expect(await harness.metric('requests_total', { route: 'other', model: 'model' })).toBe(1);
});

test('a form: its model field is found among binary parts, before or after the file', async () => {
  for (const order of [0, 1]) {
    const field = '--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nalias\r\n';
    const file = Buffer.concat([
      Buffer.from(
        '--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\ncontent-type: audio/wav\r\n\r\n',
      ),
      Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 256)),
      Buffer.from('\r\n'),
    ]);
    const parts = order === 0 ? [Buffer.from(field), file] : [file, Buffer.from(field)];
    const body = Buffer.concat([...parts, Buffer.from('--b--\r\n')]);
    const answer = await post(`${harness.url}/v1/audio/transcriptions`, body, {
      'content-type': 'multipart/form-data; boundary=b',
    });
    expect(answer.status).toBe(200);
    const at = body.indexOf('alias');
    const wanted = Buffer.concat([body.subarray(0, at), Buffer.from('model'), body.subarray(at + 5)]);
    expect(engine.calls[order]?.body.equals(wanted)).toBe(true);
  }
});

test('no body: any method, and the only model served', async () => {
  const { statusCode, body } = await request(`${harness.url}/v1/files/f-1?x=2`, { method: 'DELETE' });
  expect([statusCode, await body.json()]).toEqual([200, { ok: true }]);
  expect(engine.calls[0]).toMatchObject({ method: 'DELETE', url: '/v1/files/f-1?x=2' });
});

test('a header names the model; an unknown one is refused', async () => {
  expect(
    (await post(`${harness.url}/v1/x`, 'raw', { 'content-type': 'text/plain', 'x-infernode-model': 'alias' }))
      .status,
  ).toBe(200);
  expect(
    (await post(`${harness.url}/v1/x`, 'raw', { 'content-type': 'text/plain', 'x-infernode-model': 'no' }))
      .status,
  ).toBe(404);
  expect(engine.calls).toHaveLength(1);
});

test('an answer without a body', async () => {
  engine.script = ({ response }) => void response.writeHead(204).end();
  const { statusCode, body } = await request(`${harness.url}/v1/x`, { method: 'DELETE' });
  expect([statusCode, await body.text()]).toEqual([204, '']);
});
