// The end of a gateway: no new requests, the queue sent elsewhere, streams finished up to the drain limit, then the truth.
import { request } from 'undici';
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
  answerStream,
  chunkEvent,
  doneEvent,
  ScriptedEngine,
  startEvents,
} from '../../support/scripted-engine.js';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

async function setUp(options?: HarnessOptions): Promise<{ engine: ScriptedEngine; harness: Harness }> {
  const engine = await ScriptedEngine.start();
  const harness = await startGateway([engine], options);
  harness.routing.set(anEndpoint('node-0/engine', engine.url, { maxConcurrent: 1 }));
  open.push(engine, harness);
  return { engine, harness };
}

test('close: the stream finishes, the queue gets a retryable 503, nobody new gets in', async () => {
  const { engine, harness } = await setUp();
  const stream = openStream(harness.url, chatBody);
  const { response } = await engine.nextCall();
  startEvents(response);
  response.write(chunkEvent('one'));
  await stream.firstByte;
  const queued = post(`${harness.url}/v1/chat/completions`);
  await eventually(
    'one waits',
    async () => (await harness.metric('queued_requests', { model: 'model' })) === 1,
  );
  expect(harness.gateway.ready).toBe(true);
  const closed = harness.gateway.close();
  expect(harness.gateway.ready).toBe(false);
  const refused = await queued;
  expect([refused.status, refused.json.error?.code, refused.headers['retry-after']]).toEqual([
    503,
    'shutting-down',
    '1',
  ]);
  await expect(request(harness.url)).rejects.toThrow();
  response.end(chunkEvent('', 'stop') + doneEvent);
  expect(await stream.result).toMatchObject({ done: true, error: null });
  await closed;
  await harness.gateway.close();
});

test('the drain limit ends a stream with the coded event', async () => {
  const clock = new ManualClock();
  const { engine, harness } = await setUp({ clock });
  const stream = openStream(harness.url, chatBody);
  const call = await engine.nextCall();
  startEvents(call.response);
  call.response.write(chunkEvent('one'));
  await stream.firstByte;
  const closed = harness.gateway.close();
  clock.advance(5001);
  expect(await stream.result).toMatchObject({ done: false, error: { code: 'stream-interrupted' } });
  await call.closed;
  await closed;
  expect(harness.routing.inFlight()).toBe(0);
});

test('destroy is at once, also for what has no first byte; close after it resolves', async () => {
  const { engine, harness } = await setUp();
  const stream = openStream(harness.url, chatBody).result.catch(() => null);
  const call = await engine.nextCall();
  harness.gateway.destroy('test');
  await call.closed;
  const result = await stream;
  if (result !== null) expect(result.status).toBe(503);
  await harness.gateway.close();
  await eventually('lease released', () => harness.routing.inFlight() === 0);
});

test('a full queue is 429, and the queue goes on when the endpoint is free', async () => {
  const { engine, harness } = await setUp({ limits: { maxQueuedRequests: 1 } });
  const first = openStream(harness.url, chatBody);
  const call = await engine.nextCall();
  const second = openStream(harness.url, chatBody);
  await eventually(
    'one waits',
    async () => (await harness.metric('queued_requests', { model: 'model' })) === 1,
  );
  const third = await post(`${harness.url}/v1/chat/completions`);
  expect([third.status, third.json.error?.code]).toEqual([429, 'queue-full']);
  engine.script = answerStream;
  answerStream(call);
  expect(await first.result).toMatchObject({ done: true });
  expect(await second.result).toMatchObject({ done: true });
  expect(engine.calls).toHaveLength(2);
});

test('a client that leaves the queue gives up its place', async () => {
  const { engine, harness } = await setUp();
  const first = openStream(harness.url, chatBody);
  const call = await engine.nextCall();
  const second = openStream(harness.url, chatBody);
  await eventually(
    'one waits',
    async () => (await harness.metric('queued_requests', { model: 'model' })) === 1,
  );
  const left = expect(second.result).rejects.toThrow();
  second.abort();
  await left;
  await eventually(
    'nobody waits',
    async () => (await harness.metric('queued_requests', { model: 'model' })) === 0,
  );
  answerStream(call);
  await first.result;
  expect(engine.calls).toHaveLength(1);
});

test('a port that is taken is a configuration error with its address', async () => {
  const { harness } = await setUp();
  const listen = harness.gateway.address();
  await expect(startGateway([], { listen })).rejects.toMatchObject({ code: 'config-invalid' });
});
