// Before the first byte a request moves on: away from engines that refuse, die, stall or are evicted; never back to one
// it has tried, never without end, and never more often than the budget allows.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../../support/running-up.js';
import { ManualClock } from '../../support/manual-clock.js';
import { openStream } from '../../support/sse-client.js';
import {
  anEndpoint,
  chatBody,
  post,
  startGateway,
  type Harness,
  type HarnessOptions,
} from '../../support/gateway-harness.js';
import {
  answerError,
  answerJson,
  answerStream,
  chunkEvent,
  doneEvent,
  ScriptedEngine,
  startEvents,
  type EngineScript,
} from '../../support/scripted-engine.js';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

async function setUp(
  scripts: (EngineScript | undefined)[],
  options?: HarnessOptions,
): Promise<{ engines: ScriptedEngine[]; harness: Harness }> {
  const engines = await Promise.all(scripts.map((script) => ScriptedEngine.start(script)));
  const harness = await startGateway(engines, options);
  open.push(...engines, harness);
  return { engines, harness };
}

const chat = '/v1/chat/completions';
const dead = 'EngineCore encountered an issue. See stack trace (above) for the root cause.';

test('a refused connection', async () => {
  const { engines, harness } = await setUp([undefined, answerJson]);
  await engines[0]?.close();
  open.splice(0, 1);
  const answer = await post(`${harness.url}${chat}`);
  expect(answer.status).toBe(200);
  expect(answer.headers).toMatchObject({
    'x-infernode-endpoint': 'node-1/engine',
    'x-infernode-attempts': '2',
  });
  expect(await harness.metric('reroutes_total', { reason: 'endpoint-refused' })).toBe(1);
  expect(harness.routing.inFlight()).toBe(0);
});

test.each([429, 503, 504])('an engine that answers %d', async (status) => {
  const { harness } = await setUp([(call) => answerError(call, status, 'busy'), answerJson]);
  const answer = await post(`${harness.url}${chat}`);
  expect([answer.status, answer.headers['x-infernode-attempts']]).toEqual([200, '2']);
  expect(await harness.metric('reroutes_total', { reason: `status-${status}` })).toBe(1);
});

test('an engine that answers 500 because its EngineCore died', async () => {
  const { harness } = await setUp([(call) => answerError(call, 500, dead), answerJson]);
  expect((await post(`${harness.url}${chat}`)).status).toBe(200);
});

test('a stream that opens with the error event of a dead engine', async () => {
  const event = `data: {"error":{"message":"${dead}","type":"InternalServerError","param":null,"code":500}}\n\n`;
  const { harness } = await setUp([
    ({ response }) => {
      startEvents(response);
      response.end(`${event}data: [DONE]\n\n`);
    },
    answerStream,
  ]);
  expect(await openStream(harness.url, chatBody).result).toMatchObject({
    done: true,
    error: null,
    attempts: 2,
  });
});

test.each([400, 404, 422, 500, 501, 502])('not after %d: that is about the request', async (status) => {
  const { engines, harness } = await setUp([(call) => answerError(call, status, 'bad value'), answerJson]);
  const answer = await post(`${harness.url}${chat}`);
  expect(answer.status).toBe(status);
  expect(answer.json.error?.message).toBe('bad value');
  expect(engines[1]?.calls).toHaveLength(0);
  expect(harness.routing.inFlight()).toBe(0);
});

test.each(['nothing', 'headers'])('an engine that breaks off after it sent %s', async (sent) => {
  const { harness } = await setUp([
    ({ response, socket }) => {
      if (sent === 'headers') startEvents(response);
      setImmediate(() => socket.resetAndDestroy());
    },
    answerStream,
  ]);
  expect(await openStream(harness.url, chatBody).result).toMatchObject({
    status: 200,
    done: true,
    error: null,
    attempts: 2,
  });
});

test('an event stream without any event', async () => {
  const { harness } = await setUp([
    ({ response }) => {
      startEvents(response);
      response.end();
    },
    answerStream,
  ]);
  expect(await openStream(harness.url, chatBody).result).toMatchObject({ done: true, attempts: 2 });
});

test.each(['nothing', 'headers'])('an evicted engine that had sent %s', async (sent) => {
  const { engines, harness } = await setUp([undefined, answerStream]);
  const stream = openStream(harness.url, chatBody);
  const call = await engines[0]?.nextCall();
  if (sent === 'headers' && call) startEvents(call.response);
  harness.routing.evict('node-0/engine', 'Xid 79');
  expect(await stream.result).toMatchObject({
    done: true,
    error: null,
    attempts: 2,
    endpoint: 'node-1/engine',
  });
  await call?.closed;
  expect(await harness.metric('reroutes_total', { reason: 'endpoint-evicted' })).toBe(1);
});

test('an engine that says nothing for too long', async () => {
  const clock = new ManualClock();
  const { engines, harness } = await setUp([undefined, answerStream], {
    clock,
    limits: { firstByteTimeoutMs: 1000 },
  });
  const stream = openStream(harness.url, chatBody);
  await engines[0]?.nextCall();
  clock.advance(1001);
  expect(await stream.result).toMatchObject({ done: true, attempts: 2 });
});

test('each engine is tried once, then its own refusal is passed on', async () => {
  const { engines, harness } = await setUp(
    Array.from({ length: 3 }, () => (call) => answerError(call, 503, 'queue limit reached')),
    { retry: { maxAttempts: 8 } },
  );
  const answer = await post(`${harness.url}${chat}`);
  expect(answer.status).toBe(503);
  expect(answer.json.error?.message).toBe('queue limit reached');
  expect(engines.map(({ calls }) => calls.length)).toEqual([1, 1, 1]);
  expect(harness.routing.inFlight()).toBe(0);
});

test('attempts are limited', async () => {
  const { engines, harness } = await setUp(
    Array.from(
      { length: 4 },
      () =>
        ({ socket }) =>
          void socket.resetAndDestroy(),
    ),
    { retry: { maxAttempts: 2 } },
  );
  const answer = await post(`${harness.url}${chat}`);
  expect(answer.status).toBe(502);
  expect(answer.json.error?.code).toBe('endpoint-lost');
  expect(engines.reduce((sum, { calls }) => sum + calls.length, 0)).toBe(2);
});

test('all endpoints refuse connections: 503, coded, with Retry-After', async () => {
  const { engines, harness } = await setUp([undefined, undefined]);
  for (const engine of engines) await engine.close();
  open.splice(0, 2);
  const answer = await post(`${harness.url}${chat}`);
  expect(answer.status).toBe(503);
  expect(answer.json.error?.code).toBe('endpoint-refused');
  expect(answer.headers['retry-after']).toBe('1');
});

test('the budget: when every engine refuses, retries add a tenth and a small minimum', async () => {
  // Time stands still: nothing is earned but by requests. Back-off is zero, so no timer is needed either.
  const clock = new ManualClock();
  const { engines, harness } = await setUp(
    Array.from({ length: 2 }, () => (call) => answerError(call, 429, 'busy')),
    { clock, retry: { baseMs: 0, capMs: 0 } },
  );
  const pump = setInterval(() => clock.advance(0), 1);
  const requests = 200;
  for (let i = 0; i < requests; i++) await post(`${harness.url}${chat}`);
  clearInterval(pump);
  const calls = engines.reduce((sum, engine) => sum + engine.calls.length, 0);
  expect(calls).toBeGreaterThan(requests);
  expect(calls).toBeLessThanOrEqual(requests * 1.1 + 10);
  expect(await harness.metric('retry_budget_denied_total')).toBe(requests - (calls - requests));
});

test('the keep-alive race: a used connection that closes under a request is retried there, without blame', async () => {
  let served = 0;
  const sockets = new Set<Socket>();
  // Answers the first request of each connection, and closes it when the second one begins to arrive.
  const server = createServer((socket) => {
    sockets.add(socket);
    let requests = 0;
    socket.on('error', () => undefined);
    socket.on('data', () => {
      requests += 1;
      if (requests > 1) {
        socket.resetAndDestroy();
        return;
      }
      served += 1;
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}');
    });
  }).listen(0, '127.0.0.1');
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  });
  const harness = await startGateway([]);
  open.push(harness);
  harness.routing.set(
    anEndpoint('node-0/engine', `http://127.0.0.1:${(server.address() as AddressInfo).port}`),
  );
  for (let i = 0; i < 8; i++) {
    const answer = await post(`${harness.url}${chat}`);
    expect([answer.status, answer.headers['x-infernode-attempts']]).toEqual([200, '1']);
  }
  expect(served).toBe(8);
  expect(await harness.metric('retries_total', { reason: 'keep-alive-race' })).toBe(7);
  expect(await harness.metric('reroutes_total')).toBe(0);
});

test('a client that leaves during the back-off ends it', async () => {
  const clock = new ManualClock();
  const { harness, engines } = await setUp([(call) => answerError(call, 503, 'busy'), answerJson], {
    clock,
    retry: { baseMs: 1000, capMs: 1000 },
  });
  const { port } = harness.gateway.address();
  const body = JSON.stringify(chatBody);
  const socket = connect(port, '127.0.0.1', () =>
    socket.write(
      `POST ${chat} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    ),
  );
  await eventually('back-off', async () => (await harness.metric('reroutes_total')) === 1);
  socket.destroy();
  await eventually(
    'ended',
    async () => (await harness.metric('requests_total', { outcome: 'client-gone' })) === 1,
  );
  expect(engines[1]?.calls).toHaveLength(0);
  expect(harness.routing.inFlight()).toBe(0);
});

test('a stream cut after its first byte is never rerouted', async () => {
  const { engines, harness } = await setUp([undefined, answerStream]);
  const stream = openStream(harness.url, chatBody);
  const call = await engines[0]?.nextCall();
  if (call) {
    startEvents(call.response);
    call.response.write(chunkEvent('one'));
    await stream.firstByte;
    call.socket.resetAndDestroy();
  }
  expect(await stream.result).toMatchObject({ done: false, error: { code: 'stream-interrupted' } });
  expect(engines[1]?.calls).toHaveLength(0);
});

test('a cordon moves what has not begun and lets what has begun finish', async () => {
  const { engines, harness } = await setUp([undefined, answerStream]);
  const spare = harness.routing.endpoint('node-1/engine')!;
  harness.routing.set({ ...spare, cordonHolders: ['operator:later'] });
  const begun = openStream(harness.url, chatBody);
  const first = await engines[0]!.nextCall();
  startEvents(first.response);
  first.response.write(chunkEvent('one'));
  await begun.firstByte;
  const waiting = openStream(harness.url, chatBody);
  await engines[0]!.nextCall();
  harness.routing.set(spare);
  harness.routing.cordon('node-0/engine', 'operator:test');
  expect(await waiting.result).toMatchObject({
    done: true,
    error: null,
    attempts: 2,
    endpoint: 'node-1/engine',
  });
  first.response.end(chunkEvent(' two', 'stop') + doneEvent);
  expect(await begun.result).toMatchObject({
    done: true,
    error: null,
    text: 'one two',
    endpoint: 'node-0/engine',
  });
  expect(harness.routing.inFlight()).toBe(0);
});
