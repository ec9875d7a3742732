// How streams end when they do not end well: cut, truncated, evicted, left by the client. Each time the client is told
// the truth, the engine is told to stop, and the lease is gone.
import diagnostics from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { request } from 'undici';
import { expect, test } from 'vitest';
import { eventually } from '../../support/running-up.js';
import { openStream } from '../../support/sse-client.js';
import { chatBody, closeAfterTest, post, setUp } from '../../support/gateway-harness.js';
import { answerStream, chunkEvent, doneEvent, startEvents } from '../../support/scripted-engine.js';

const interrupted = { code: 'stream-interrupted', type: 'BadGatewayError' };

test('an engine that breaks off after the first byte: one error event, no [DONE]', async () => {
  const { engine, harness } = await setUp();
  const stream = openStream(harness.url, chatBody);
  const { response, socket } = await engine.nextCall();
  startEvents(response);
  response.write(chunkEvent('one'));
  await stream.firstByte;
  socket.resetAndDestroy();
  expect(await stream.result).toMatchObject({ status: 200, done: false, error: interrupted, text: 'one' });
  expect(harness.routing.inFlight()).toBe(0);
  expect(await harness.metric('requests_total', { outcome: 'interrupted' })).toBe(1);
});

test('an engine that breaks off within an event: the beginning of it is not passed on', async () => {
  const { engine, harness } = await setUp();
  const stream = openStream(harness.url, chatBody);
  const { response, socket } = await engine.nextCall();
  startEvents(response);
  response.write(`${chunkEvent('one')}data: {"id":"chatcmpl-1","cho`);
  await stream.firstByte;
  socket.destroy();
  const result = await stream.result;
  expect(result).toMatchObject({ done: false, error: interrupted, text: 'one' });
  expect(result.events).toHaveLength(2);
});

test('an event too large to wait for is passed on as it comes; when it is cut, the error event stands on its own', async () => {
  const { engine, harness } = await setUp();
  const answer = request(`${harness.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(chatBody),
  });
  const { response, socket } = await engine.nextCall();
  startEvents(response);
  const begun = `data: {"x":"${'y'.repeat(200_000)}`;
  response.write(begun);
  let text = '';
  for await (const chunk of (await answer).body) {
    text += (chunk as Buffer).toString();
    if (text.length === begun.length) socket.destroy();
  }
  expect(text.startsWith(begun)).toBe(true);
  expect(text.slice(begun.length)).toMatch(/^\n\ndata: \{"error":.*"stream-interrupted"\}\}\n\n$/);
});

test('a plain answer that breaks off destroys the connection: nobody takes it for whole', async () => {
  const { engine, harness } = await setUp();
  const answer = openStream(harness.url, chatBody);
  const { response, socket } = await engine.nextCall();
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write('{"id":');
  await answer.firstByte;
  socket.resetAndDestroy();
  await expect(answer.result).rejects.toThrow(/closed|socket|terminated/);
  await eventually('lease released', () => harness.routing.inFlight() === 0);
});

test('a stream that ends without finish reason or [DONE] is truncated', async () => {
  const { harness } = await setUp(({ response }) => {
    startEvents(response);
    response.end(chunkEvent('one'));
  });
  expect(await openStream(harness.url, chatBody).result).toMatchObject({
    done: false,
    error: interrupted,
    text: 'one',
  });
  expect(await harness.metric('requests_total', { outcome: 'truncated' })).toBe(1);
});

test("the engine's own error event passes unchanged and counts as failure", async () => {
  const error =
    'data: {"error":{"message":"out of memory","type":"InternalServerError","param":null,"code":500}}\n\n';
  const whole = chunkEvent('one') + error + doneEvent;
  const { harness } = await setUp(({ response }) => {
    startEvents(response);
    response.end(whole);
  });
  expect((await post(`${harness.url}/v1/chat/completions`)).text).toBe(whole);
  expect(await harness.metric('requests_total', { outcome: 'engine-error', status: '200' })).toBe(1);
});

test('streams of the responses dialect end with their own terminal event', async () => {
  const whole =
    'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"x"}\n\n' +
    'event: response.completed\ndata: {"type":"response.completed","response":{"usage":{"input_tokens":5,"output_tokens":1}}}\n\n';
  const { engine, harness } = await setUp(({ response }) => {
    startEvents(response);
    response.end(whole);
  });
  const body = { model: 'model', input: 'x', stream: true };
  expect((await post(`${harness.url}/v1/responses`, body)).text).toBe(whole);
  expect(await harness.metric('prompt_tokens_total')).toBe(5);
  engine.script = ({ response }) => {
    startEvents(response);
    response.end(whole.slice(0, whole.indexOf('event: response.completed')));
  };
  expect((await post(`${harness.url}/v1/responses`, body)).text).toContain('"code":"stream-interrupted"');
});

test.each([true, false])(
  'a client that leaves a silent prefill stops the engine (stream: %s)',
  async (stream) => {
    const { engine, harness } = await setUp();
    const aborter = new AbortController();
    const answer = request(`${harness.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...chatBody, stream }),
      signal: aborter.signal,
    }).catch(() => 'aborted');
    const call = await engine.nextCall();
    if (stream) startEvents(call.response);
    aborter.abort();
    await call.closed;
    expect(await answer).toBe('aborted');
    await eventually('lease released', () => harness.routing.inFlight() === 0);
    await eventually(
      'counted',
      async () => (await harness.metric('requests_total', { outcome: 'client-gone' })) === 1,
    );
  },
);

test('a client that leaves mid-stream stops the engine', async () => {
  const { engine, harness } = await setUp();
  const stream = openStream(harness.url, chatBody);
  const call = await engine.nextCall();
  startEvents(call.response);
  call.response.write(chunkEvent('one'));
  await stream.firstByte;
  const left = expect(stream.result).rejects.toThrow();
  stream.abort();
  await call.closed;
  await left;
  await eventually('lease released', () => harness.routing.inFlight() === 0);
});

test('an eviction ends a stream that has begun, at once and with its reason', async () => {
  const { engine, harness } = await setUp();
  const stream = openStream(harness.url, chatBody);
  const call = await engine.nextCall();
  startEvents(call.response);
  call.response.write(chunkEvent('one'));
  await stream.firstByte;
  harness.routing.evict('node-0/engine', 'Xid 79: GPU has fallen off the bus');
  const { error, done } = await stream.result;
  expect(done).toBe(false);
  expect(error).toMatchObject({ ...interrupted, message: expect.stringMatching(/Xid 79/) as string });
  await call.closed;
  expect(harness.routing.inFlight()).toBe(0);
});

test('a slow client pauses the engine: at most a mebibyte waits in the gateway', async () => {
  const total = 64 * 1024 * 1024;
  let written = 0;
  const { engine, harness } = await setUp();
  const sockets: Socket[] = [];
  const seen = (message: unknown): void => void sockets.push((message as { socket: Socket }).socket);
  diagnostics.subscribe('net.server.socket', seen);
  closeAfterTest({ close: async () => void diagnostics.unsubscribe('net.server.socket', seen) });
  const response = await Promise.all([
    request(`${harness.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(chatBody),
      highWaterMark: 1,
    }),
    engine.nextCall().then(({ response }) => {
      startEvents(response);
      const event = chunkEvent('x'.repeat(16 * 1024));
      const more = (): void => {
        while (written < total) {
          written += event.length;
          if (!response.write(event)) break;
        }
        if (written >= total) response.end(chunkEvent('', 'stop') + doneEvent);
      };
      response.on('drain', more);
      more();
    }),
  ]).then(([{ body }]) => body);
  await eventually('the gateway pauses', async () => (await harness.metric('upstream_pauses_total')) > 0);
  // What sockets and kernels hold is a few mebibytes; without back-pressure all 64 would have been taken.
  let before = -1;
  await eventually('the engine stands still', () => {
    const still = written === before;
    before = written;
    return still;
  });
  expect(written).toBeLessThan(total / 2);
  const ours = sockets.find(({ localPort }) => localPort === harness.gateway.address().port);
  const held = ours?.writableLength ?? Infinity;
  expect(held).toBeLessThanOrEqual(1024 * 1024);
  let received = 0;
  for await (const chunk of response) received += (chunk as Buffer).length;
  expect(received).toBeGreaterThan(total);
  await eventually('lease released', () => harness.routing.inFlight() === 0);
});

test('a stream that was paused leaves no connection behind that hangs the next request', async () => {
  const { engine, harness } = await setUp();
  const first = openStream(harness.url, chatBody);
  const call = await engine.nextCall();
  startEvents(call.response);
  for (let i = 0; i < 200; i++) call.response.write(chunkEvent('x'.repeat(64 * 1024)));
  await first.firstByte;
  const left = expect(first.result).rejects.toThrow();
  first.abort();
  await left;
  engine.script = answerStream;
  expect(await openStream(harness.url, chatBody).result).toMatchObject({ done: true, error: null });
});
