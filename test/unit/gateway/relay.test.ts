// Requests and answers pass through unchanged: bodies to the byte, streams as they come, headers end to end.
import { expect, test, vi } from 'vitest';
import { openStream } from '../../support/sse-client.js';
import { chatBody, post, setUp } from '../../support/gateway-harness.js';
import {
  answerJson,
  answerStream,
  chunkEvent,
  completion,
  doneEvent,
  startEvents,
} from '../../support/scripted-engine.js';

test('a plain answer arrives as the engine wrote it, and its usage is counted', async () => {
  const { harness } = await setUp(answerJson);
  const answer = await post(`${harness.url}/v1/chat/completions`);
  expect(answer.status).toBe(200);
  expect(answer.json).toEqual(completion);
  expect(answer.headers).toMatchObject({
    'x-infernode-endpoint': 'node-0/engine',
    'x-infernode-placement': 'home',
    'x-infernode-attempts': '1',
  });
  expect(await harness.metric('prompt_tokens_total', { model: 'model' })).toBe(7);
  expect(await harness.metric('cached_prompt_tokens_total')).toBe(4);
  expect(await harness.metric('completion_tokens_total')).toBe(2);
  expect(
    await harness.metric('requests_total', { model: 'model', route: 'chat', status: '200', outcome: 'ok' }),
  ).toBe(1);
  expect(harness.routing.inFlight()).toBe(0);
});

test('headers explain the placement where that is enabled, and a session is named to nobody', async () => {
  const { harness } = await setUp(answerJson, { explainHeaders: true });
  harness.routing.placement.useStrategy('chwbl');
  const decided = vi.spyOn(harness.routing.placement, 'decide');
  const answer = await post(`${harness.url}/v1/chat/completions`, chatBody, {
    'x-session-id': 'alice@example',
  });
  expect(answer.headers).toMatchObject({
    'x-infernode-strategy': 'chwbl',
    'x-infernode-home': 'node-0/engine',
    'x-infernode-reason': 'node-0/engine: cheapest admitted candidate',
    'x-infernode-key-block': '0',
  });
  expect(answer.headers['x-infernode-candidates']).toMatch(
    /^node-0\/engine;cost=\d+;work=0;bound=\d+;uncached=\d+;depth=0;cold;admitted$/,
  );
  const { sessionKey, streams } = decided.mock.calls[0]![0];
  expect(streams).toBe(false);
  expect(sessionKey).toMatch(/^[\w-]{22}$/);
  expect(sessionKey).not.toContain('alice');
});

test('an API key is no affinity key: prompts alone decide, whoever sends them', async () => {
  const { harness } = await setUp(answerJson);
  const decided = vi.spyOn(harness.routing.placement, 'decide');
  for (const key of ['Bearer one', 'Bearer two'])
    await post(`${harness.url}/v1/chat/completions`, chatBody, { authorization: key });
  const [one, two] = decided.mock.calls.map(([asked]) => asked);
  expect(two!.chain).toEqual(one!.chain);
  expect([one!.sessionKey, two!.sessionKey]).toEqual([undefined, undefined]);
});

test('the body reaches the engine byte for byte: big integers, duplicates, -0, white space, escapes', async () => {
  const { engine, harness } = await setUp(answerJson);
  const body = Buffer.from(
    '{ "seed":123456789012345678901234567890 , "x":-0,"x":1e400,\n"messages":[{"role":"user","content":"\\u00e9\\ud83d\\ude00 é"}],' +
      '"nested":{"model":"alias"},"model":"model","logit_bias":{"1":-0.0} }',
  );
  await post(`${harness.url}/v1/chat/completions`, body);
  expect(engine.calls[0]?.body.equals(body)).toBe(true);
});

test('of an alias only the bytes of the name change', async () => {
  const { engine, harness } = await setUp(answerJson);
  const before =
    '{"model":"first","seed":123456789012345678901234567890,"a":{"model":"alias"},"mod\\u0065l" : ';
  const after = ' ,"x":-0,"messages":[]}';
  await post(`${harness.url}/v1/chat/completions`, `${before}"ali\\u0061s"${after}`);
  expect(engine.calls[0]?.body.toString()).toBe(`${before}"model"${after}`);
});

test('end-to-end headers travel, hop-by-hop ones and credentials do not', async () => {
  const { engine, harness } = await setUp((call) => {
    call.response.setHeader('x-engine', 'yes');
    call.response.setHeader('keep-alive', 'timeout=5');
    answerJson(call);
  });
  const answer = await post(`${harness.url}/v1/chat/completions?x=1`, chatBody, {
    authorization: 'Bearer secret',
    'x-api-key': 'secret',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'x-request-id': 'mine-1',
    te: 'trailers',
  });
  const { headers, url } = engine.calls[0] ?? {};
  expect(url).toBe('/v1/chat/completions?x=1');
  expect(headers).toMatchObject({
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'x-request-id': 'mine-1',
    'content-type': 'application/json',
  });
  for (const name of ['authorization', 'x-api-key', 'te', 'accept-encoding'])
    expect(headers).not.toHaveProperty(name);
  expect(answer.headers['x-engine']).toBe('yes');
  expect(answer.headers['x-request-id']).toBe('mine-1');
});

test("the engine's own key replaces the client's", async () => {
  const { engine, harness } = await setUp(answerJson);
  const endpoint = harness.routing.endpoint('node-0/engine');
  harness.routing.set({ ...endpoint, apiKey: 'engine-key' } as never);
  await post(`${harness.url}/v1/chat/completions`, chatBody, { authorization: 'Bearer client-key' });
  expect(engine.calls[0]?.headers.authorization).toBe('Bearer engine-key');
});

test('each event of a stream is passed on when it comes, before the next one exists', async () => {
  const { engine, harness } = await setUp();
  const stream = openStream(harness.url, chatBody);
  const { response } = await engine.nextCall();
  startEvents(response);
  response.write(chunkEvent('one'));
  await stream.firstByte;
  expect(harness.routing.inFlight()).toBe(1);
  response.write(chunkEvent('two', 'length'));
  response.end(doneEvent);
  expect(await stream.result).toMatchObject({ status: 200, done: true, error: null, text: 'onetwo' });
  expect(harness.routing.inFlight()).toBe(0);
  expect(await harness.metric('time_to_first_token_seconds', { model: 'model' })).toBe(1);
});

test('an answer that comes whole has no time to first token, only its own', async () => {
  const { harness } = await setUp(answerJson);
  await post(`${harness.url}/v1/chat/completions`, chatBody);
  expect(await harness.metric('e2e_request_latency_seconds', { model: 'model' })).toBe(1);
  expect(await harness.metric('time_to_first_token_seconds', { model: 'model' })).toBe(0);
});

test('the bytes of a stream are the same however the engine cuts them', async () => {
  const whole = Buffer.from(
    `: hello\n\n${chunkEvent('päñ 😀')}data: {"usage":{"prompt_tokens":3,"completion_tokens":5}}\n\n${chunkEvent('', 'stop')}${doneEvent}`,
  );
  const { harness } = await setUp(async ({ response }) => {
    startEvents(response);
    for (const byte of whole) {
      response.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    response.end();
  });
  const answer = await post(`${harness.url}/v1/chat/completions`);
  expect(answer.body.equals(whole)).toBe(true);
  expect(await harness.metric('completion_tokens_total')).toBe(5);
});

test('a connection to an engine is used again', async () => {
  const { engine, harness } = await setUp(answerStream);
  for (let i = 0; i < 5; i++) await post(`${harness.url}/v1/chat/completions`);
  expect(engine.connections).toBe(1);
});
