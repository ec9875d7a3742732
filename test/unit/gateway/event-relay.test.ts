// Streams whose events pass in native code, over real sockets: the bytes, the numbers and every ending are those of streams that
// JavaScript reads, and the sockets come back with whatever it has to see.
import { connect, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { wordsWorthReading } from '../../../src/gateway/relay/sse-observer.js';
import { loadAddon } from '../../../src/native/load-addon.js';
import {
  chatBody,
  closeAfterTest,
  setUp,
  type Harness,
  type HarnessOptions,
} from '../../support/gateway-harness.js';
import { ManualClock } from '../../support/manual-clock.js';
import { eventually } from '../../support/running-up.js';
import { chunkEvent, doneEvent, startEvents, type EngineCall } from '../../support/scripted-engine.js';

function requestText(version = '1.1'): string {
  const body = JSON.stringify({ ...chatBody, stream: true });
  return `POST /v1/chat/completions HTTP/${version}\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

/** A client that shows each byte as it comes. */
class Client {
  got = '';
  closed = false;
  readonly socket: Socket;

  constructor({ gateway }: Harness, version = '1.1') {
    const { host, port } = gateway.address();
    this.socket = connect({ host, port })
      .on('data', (data: Buffer) => (this.got += data.toString('latin1')))
      .on('error', () => undefined)
      .on('close', () => (this.closed = true));
    this.socket.write(requestText(version));
    closeAfterTest({ close: async () => void this.socket.destroy() });
  }

  /** The body without its framing. */
  get body(): string {
    return this.got
      .slice(this.got.indexOf('\r\n\r\n') + 4)
      .replace(/[0-9a-f]+\r\n((?:data|event|:)[^]*?|)\r\n/g, '$1');
  }

  async sees(text: string): Promise<void> {
    await eventually(`the client sees ${text.trim()}`, () => this.got.includes(text));
  }
}

/** Writes events one at a time, each after the one before has arrived. */
async function speak(client: Client, { response }: EngineCall, texts: string[]): Promise<string> {
  let written = '';
  for (const text of texts) {
    const event = chunkEvent(text);
    response.write(event);
    await client.sees(event);
    written += event;
  }
  return written;
}

const tokens = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `token ${from + i}`);

async function begin(
  options?: HarnessOptions,
): Promise<{ client: Client; call: EngineCall; harness: Harness; written: string }> {
  const { engine, harness } = await setUp(undefined, options);
  const client = new Client(harness);
  const call = await engine.nextCall();
  startEvents(call.response);
  return { client, call, harness, written: await speak(client, call, tokens(0, 10)) };
}

describe('a whole stream', () => {
  test('arrives to the byte and is counted to the token', async () => {
    const { client, call, harness, written } = await begin();
    const last = chunkEvent('', 'stop') + doneEvent;
    call.response.end(last);
    await client.sees('0\r\n\r\n');
    expect(client.body).toBe(written + last);
    await eventually(
      'counted',
      async () => (await harness.metric('requests_total', { outcome: 'ok' })) === 1,
    );
    expect(await harness.metric('relayed_events_total')).toBe(9);
    expect(await harness.metric('inter_token_latency_seconds')).toBe(10);
    expect(await harness.metric('time_to_first_token_seconds')).toBe(1);
    expect(harness.routing.inFlight()).toBe(0);
  });

  test('the next request on both connections finds them as they were', async () => {
    const { engine, harness } = await setUp();
    const client = new Client(harness);
    for (const round of [1, 2, 3]) {
      const call = await engine.nextCall();
      startEvents(call.response);
      await speak(client, call, tokens(round * 10, round * 10 + 5));
      call.response.end(chunkEvent('', 'stop') + doneEvent);
      await eventually('the answer ends', () => client.got.split('0\r\n\r\n').length === round + 1);
      if (round < 3) client.socket.write(requestText());
    }
    expect(engine.connections).toBe(1);
    expect(await harness.metric('relayed_events_total')).toBe(12);
  });

  test('a request sent while the answer runs waits for its turn', async () => {
    const { engine, harness } = await setUp();
    const client = new Client(harness);
    const first = await engine.nextCall();
    startEvents(first.response);
    await speak(client, first, tokens(0, 3));
    client.socket.write(requestText());
    await speak(client, first, tokens(3, 6));
    first.response.end(chunkEvent('', 'stop') + doneEvent);
    const second = await engine.nextCall();
    second.response.writeHead(200, { 'content-type': 'application/json' }).end('{"second":true}');
    await client.sees('{"second":true}');
    expect(client.got.indexOf('token 5')).toBeLessThan(client.got.indexOf('second'));
  });

  test('usage in each event is read, and the last one holds', async () => {
    const { client, call, harness } = await begin();
    for (const n of [11, 12, 13]) {
      call.response.write(`data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":${n}}}\n\n`);
      await client.sees(`"completion_tokens":${n}}`);
      await speak(client, call, [`after ${n}`, `more after ${n}`]);
    }
    call.response.end(chunkEvent('', 'stop') + doneEvent);
    await client.sees('0\r\n\r\n');
    await eventually('counted', async () => (await harness.metric('completion_tokens_total')) === 13);
  });

  test('an event that comes in pieces is passed on whole, and the stream goes on', async () => {
    const { client, call, harness, written } = await begin();
    const event = chunkEvent('in pieces');
    call.response.write(event.slice(0, 30));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(client.got).not.toContain(event.slice(0, 30) + '\r\n');
    call.response.write(event.slice(30));
    await client.sees('in pieces');
    const rest = await speak(client, call, ['next', 'and next', 'and on']);
    expect(rest.startsWith(chunkEvent('next'))).toBe(true);
    call.response.end(chunkEvent('', 'stop') + doneEvent);
    await client.sees('0\r\n\r\n');
    expect(client.body).toBe(written + event + rest + chunkEvent('', 'stop') + doneEvent);
    expect(await harness.metric('requests_total', { outcome: 'ok' })).toBe(1);
  });

  test('to a client of HTTP/1.0 passes without framing', async () => {
    const { engine, harness } = await setUp();
    const client = new Client(harness, '1.0');
    const call = await engine.nextCall();
    startEvents(call.response);
    const written = await speak(client, call, tokens(0, 5));
    call.response.end(chunkEvent('', 'stop') + doneEvent);
    await eventually('the end', () => client.closed);
    expect(client.got.slice(client.got.indexOf('\r\n\r\n') + 4)).toBe(
      written + chunkEvent('', 'stop') + doneEvent,
    );
    expect(await harness.metric('relayed_events_total')).toBe(0);
  });
});

describe('a stream that does not end well', () => {
  test('the engine breaks off: one error event, no [DONE]', async () => {
    const { client, call, harness } = await begin();
    call.socket.resetAndDestroy();
    await client.sees('0\r\n\r\n');
    expect(client.body).toMatch(/data: \{"error":\{[^]*"code":"stream-interrupted"\}\}\n\n$/);
    expect(client.got).not.toContain('[DONE]');
    expect(harness.routing.inFlight()).toBe(0);
    expect(await harness.metric('requests_total', { outcome: 'interrupted' })).toBe(1);
  });

  test('the engine closes without a last chunk: the same', async () => {
    const { client, call } = await begin();
    call.socket.destroy();
    await client.sees('"code":"stream-interrupted"');
    expect(client.got).not.toContain('[DONE]');
  });

  test('the engine writes what is no chunk: the same, and nothing of it is passed on', async () => {
    const { client, call } = await begin();
    call.socket.write('smuggled\r\ndata: smuggled\n\n');
    await client.sees('"code":"stream-interrupted"');
    expect(client.got).not.toContain('smuggled');
  });

  test('the client leaves: the engine is told, the lease is gone', async () => {
    const { client, call, harness } = await begin();
    client.socket.destroy();
    await call.closed;
    await eventually('lease released', () => harness.routing.inFlight() === 0);
    expect(await harness.metric('requests_total', { outcome: 'client-gone' })).toBe(1);
    expect(await harness.metric('relayed_events_total')).toBe(9);
  });

  test('the client resets between two events', async () => {
    const { client, call, harness } = await begin();
    client.socket.resetAndDestroy();
    await call.closed;
    await eventually('lease released', () => harness.routing.inFlight() === 0);
  });

  test('an eviction: the error event at once, and nothing behind it', async () => {
    const { client, call, harness } = await begin();
    harness.routing.evict('node-0/engine', 'device fell off the bus');
    await client.sees('0\r\n\r\n');
    call.response.write(chunkEvent('too late'));
    await call.closed;
    expect(client.got).not.toContain('too late');
    expect(client.body).toMatch(/device fell off the bus[^]*"code":"stream-interrupted"\}\}\n\n$/);
  });

  test('the gateway is destroyed', async () => {
    const { client, harness } = await begin();
    harness.gateway.destroy('test');
    await eventually('the client is told', () => client.closed || client.got.includes('stream-interrupted'));
  });

  test('ten minutes of silence end it; a word in between does not', async () => {
    const clock = new ManualClock();
    const { client, call } = await begin({ clock });
    const minutes = (n: number): void => clock.advance(n * 60_000);
    minutes(6);
    await speak(client, call, ['still here']);
    minutes(6);
    await speak(client, call, ['here, too']);
    minutes(11);
    await client.sees('"code":"stream-interrupted"');
    expect(client.got).toContain('fell silent');
  });
});

test('a client that does not read: the engine is paused, and every byte arrives when it reads on', async () => {
  const { engine, harness } = await setUp();
  const client = new Client(harness);
  const call = await engine.nextCall();
  startEvents(call.response);
  let written = await speak(client, call, tokens(0, 5));
  client.socket.pause();
  const event = (n: number): string => chunkEvent(`${n} ${'x'.repeat(2000)}`);
  let n = 0;
  // One at a time, so that the gateway reads few of them at once.
  const more = (): void => {
    if (n === 10_000) return void call.response.end(chunkEvent('', 'stop') + doneEvent);
    written += event(n);
    if (call.response.write(event(n++))) setImmediate(more);
    else call.response.once('drain', more);
  };
  more();
  await eventually('a pause', async () => (await harness.metric('upstream_pauses_total')) > 0);
  expect(n).toBeLessThan(10_000);
  client.socket.resume();
  await client.sees('0\r\n\r\n');
  expect(client.body === written + chunkEvent('', 'stop') + doneEvent).toBe(true);
  expect(await harness.metric('relayed_events_total')).toBeGreaterThan(500);
});

test('clients that come, stay and break off at random: nobody gets an event of another', async () => {
  const { harness } = await setUp(({ response }) => {
    const name = `name-${Math.random().toString(36).slice(2)}-`;
    startEvents(response);
    let left = 60;
    const timer = setInterval(() => {
      if (response.destroyed) return clearInterval(timer);
      left -= 1;
      response.write(chunkEvent(name));
      if (left === 0) clearInterval(timer);
      if (left === 0) response.end(chunkEvent('', 'stop') + doneEvent);
    }, 2);
  });
  const mixed: string[] = [];
  let whole = 0;
  const one = async (i: number): Promise<void> => {
    const client = new Client(harness);
    const patience = i % 3 === 0 ? Infinity : 5 + ((i * 7919) % 100);
    const startedMs = Date.now();
    await eventually('an end', () => {
      if (Date.now() - startedMs > patience) client.socket.resetAndDestroy();
      return client.closed || client.got.endsWith('0\r\n\r\n');
    });
    const names = new Set(client.got.match(/name-\w+-/g) ?? []);
    if (names.size > 1) mixed.push([...names].join(' and '));
    if (client.got.includes('[DONE]')) whole += 1;
    client.socket.destroy();
  };
  const lane = async (from: number): Promise<void> => {
    for (let i = from; i < 240; i += 24) await one(i);
  };
  await Promise.all(Array.from({ length: 24 }, (_, i) => lane(i)));
  expect(mixed).toEqual([]);
  expect(whole).toBeGreaterThanOrEqual(80);
  await eventually('all leases are gone', () => harness.routing.inFlight() === 0);
  expect(await harness.metric('relayed_events_total')).toBeGreaterThan(1000);
});

describe('the native class', () => {
  const { EventRelay } = loadAddon();
  const make = (): InstanceType<typeof EventRelay> =>
    new EventRelay(wordsWorthReading, Buffer.alloc(64), () => undefined);

  test('refuses what is not meant', () => {
    expect(() => new EventRelay('x' as never, Buffer.alloc(1), () => undefined)).toThrow(TypeError);
    const relay = make();
    expect(() => relay.begin(0, 1, 0, new Float64Array(1))).toThrow('bounds, counts and sum');
    expect(relay.begin(-1, -1, 0, new Float64Array(4))).toBe(-1);
    expect(() => relay.end(0)).toThrow('a pair that is not open');
    relay.close();
    relay.close();
    expect(() => relay.events(0)).toThrow(expect.objectContaining({ code: 'INFERNODE_CLOSED' }));
  });

  test('many come and go', () => {
    for (let i = 0; i < 200; i++) make().close();
    for (let i = 0; i < 200; i++) make();
  });
});
