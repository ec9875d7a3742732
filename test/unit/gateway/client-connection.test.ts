// Connections of clients, byte by byte: several requests on one, old and half-finished ones, bodies that nobody wants, and clients
// that are late or talk too much.
import diagnostics from 'node:diagnostics_channel';
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { eventually } from '../../support/running-up.js';
import { ManualClock } from '../../support/manual-clock.js';
import {
  closeAfterTest,
  startGateway,
  type Harness,
  type HarnessOptions,
} from '../../support/gateway-harness.js';
import {
  answerJson,
  answerStream,
  ScriptedEngine,
  type EngineScript,
} from '../../support/scripted-engine.js';

class Client {
  got = '';
  closed = false;

  constructor(readonly socket: Socket) {
    socket.on('data', (data: Buffer) => (this.got += data.toString('latin1')));
    socket.on('error', () => undefined).on('close', () => (this.closed = true));
  }

  write(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  /** Waits until so many answers have begun. */
  async answers(count: number): Promise<number[]> {
    const statuses = (): number[] => [...this.got.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((m) => Number(m[1]));
    await eventually(`${count} answers`, () => statuses().length >= count);
    return statuses();
  }

  async end(): Promise<string> {
    await eventually('the connection ends', () => this.closed);
    return this.got;
  }
}

interface Setup {
  engine: ScriptedEngine;
  harness: Harness;
  /** `stays`: it does not close its side when the gateway does. */
  client: (stays?: boolean) => Client;
}

async function setUp(script?: EngineScript, options?: HarnessOptions): Promise<Setup> {
  const engine = await ScriptedEngine.start(script);
  const harness = await startGateway([engine], options);
  closeAfterTest(engine, harness);
  const client = (stays = false): Client => {
    const { port, host } = harness.gateway.address();
    const socket = connect({ port, host, allowHalfOpen: stays });
    closeAfterTest({ close: async () => void socket.destroy() });
    return new Client(socket);
  };
  return { engine, harness, client };
}

const body = JSON.stringify({ model: 'model', messages: [{ role: 'user', content: 'x' }] });
const streaming = JSON.stringify({ model: 'model', stream: true, messages: [] });
const models = 'GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n';

function chat(text = body, lines = '', version = '1.1'): string {
  return `POST /v1/chat/completions HTTP/${version}\r\nhost: a\r\ncontent-type: application/json\r\n${lines}content-length: ${text.length}\r\n\r\n${text}`;
}

test('requests that come together are answered in their order, one at a time', async () => {
  const { engine, client } = await setUp();
  const one = client().write(chat() + models + chat());
  const first = await engine.nextCall();
  expect(engine.calls).toHaveLength(1);
  expect(one.got).toBe('');
  answerJson(first);
  answerJson(await engine.nextCall());
  expect(await one.answers(3)).toEqual([200, 200, 200]);
  expect(one.got.indexOf('"list"')).toBeGreaterThan(one.got.indexOf('chat.completion'));
  expect(one.got.indexOf('"list"')).toBeLessThan(one.got.lastIndexOf('chat.completion'));
});

test('a request in small pieces', async () => {
  const { client } = await setUp(answerJson);
  const one = client();
  for (const byte of chat()) {
    one.write(byte);
    await new Promise(setImmediate);
  }
  expect(await one.answers(1)).toEqual([200]);
  expect(one.got).toMatch(/\r\nconnection: keep-alive\r\nkeep-alive: timeout=75\r\n/);
  expect(one.got).toMatch(/\r\ndate: \w{3}, \d\d \w{3} \d{4} /i);
});

test('a request in chunks reaches the engine whole', async () => {
  const { engine, client } = await setUp(answerJson);
  const one = client().write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n` +
      `5\r\n${body.slice(0, 5)}\r\n${(body.length - 5).toString(16)}\r\n${body.slice(5)}\r\n0\r\n\r\n`,
  );
  expect(await one.answers(1)).toEqual([200]);
  expect(engine.calls[0]?.body.toString()).toBe(body);
});

test('HTTP/1.0 gets no chunks, and the end of the connection as the end of a stream', async () => {
  const { client } = await setUp(answerStream);
  const text = await client()
    .write(chat(streaming, '', '1.0'))
    .end();
  expect(text).not.toContain('transfer-encoding');
  expect(text).toContain('connection: close');
  expect(text.slice(text.indexOf('\r\n\r\n') + 4)).toMatch(/^data: [^]*data: \[DONE\]\n\n$/);
});

test('connection: close is kept to, by client and by gateway', async () => {
  const { client } = await setUp(answerJson);
  expect(await client().write(chat(body, 'connection: close\r\n')).end()).toMatch(
    /200 OK[^]*connection: close/,
  );
});

test('HEAD has the head alone, and the next answer follows', async () => {
  const { client } = await setUp();
  const one = client().write(models.replace('GET', 'HEAD') + models);
  expect(await one.answers(2)).toEqual([200, 200]);
  await eventually('the list', () => one.got.includes('"list"'));
  expect(one.got.split('"list"')).toHaveLength(2);
});

test('a client that waits for 100 Continue gets it when the body is wanted, and only then', async () => {
  const { client } = await setUp(answerJson);
  const waits = 'expect: 100-continue\r\n';
  const [head, text] = chat(body, waits).split('\r\n\r\n') as [string, string];
  const wanted = client().write(`${head}\r\n\r\n`);
  expect(await wanted.answers(1)).toEqual([100]);
  expect(await wanted.write(text).answers(2)).toEqual([100, 200]);
  const refused = client().write(`${head.replace('application/json', 'text/plain')}\r\n\r\n`);
  expect(await refused.end()).toMatch(/^HTTP\/1\.1 415 [^]*connection: close/);
});

test('the rest of an unwanted body passes, and the connection serves the next request', async () => {
  const { client } = await setUp(answerJson, { limits: { maxBodyBytes: 1000 } });
  const large = 'x'.repeat(3000);
  const one = client().write(chat(large).slice(0, -2000));
  expect(await one.answers(1)).toEqual([413]);
  one.write(large.slice(-2000) + chat());
  expect(await one.answers(2)).toEqual([413, 200]);
});

test('a client that does not stop sending an unwanted body is cut off', async () => {
  const { client } = await setUp(answerJson, { limits: { maxBodyBytes: 1000 } });
  const one = client().write(chat('x'.repeat(1_000_000)));
  expect(await one.end()).toMatch(/^(HTTP\/1\.1 413 |$)/);
});

test('a pipeline beyond its bound is not read on until the present request is answered', async () => {
  const accepted: Socket[] = [];
  const seen = (message: unknown): void => void accepted.push((message as { socket: Socket }).socket);
  diagnostics.subscribe('net.server.socket', seen);
  closeAfterTest({ close: async () => void diagnostics.unsubscribe('net.server.socket', seen) });
  const { engine, client } = await setUp();
  const one = client().write(chat());
  const call = await engine.nextCall();
  const many = 10_000;
  one.write(models.repeat(many));
  const ours = accepted.find(({ remotePort }) => remotePort === one.socket.localPort);
  await eventually('the gateway reads no more', () => ours?.isPaused());
  expect(ours?.bytesRead).toBeLessThan(256 * 1024);
  answerJson(call);
  await eventually('all are answered', () => one.got.split('HTTP/1.1 200').length === many + 2);
});

test('a request that does not come to its end gets 408; an idle connection is closed in silence', async () => {
  const clock = new ManualClock();
  const { client, harness } = await setUp(answerJson, { clock });
  const silent = client();
  const midHead = client().write('POST /v1/chat');
  const midBody = client().write(chat().slice(0, -1));
  const idle = client().write(models);
  await idle.answers(1);
  await eventually('it waits', async () => (await harness.metric('in_flight_requests')) === 1);
  clock.advance(31_000);
  expect(await silent.end()).toMatch(/^HTTP\/1\.1 408 /);
  expect(await midHead.end()).toMatch(/^HTTP\/1\.1 408 [^]*"code":"request-invalid"/);
  expect([midBody.closed, idle.closed]).toEqual([false, false]);
  clock.advance(45_000);
  await idle.end();
  expect(idle.got.split('HTTP/1.1')).toHaveLength(2);
  clock.advance(240_000);
  expect(await midBody.end()).toMatch(/^HTTP\/1\.1 408 /);
  await eventually('nothing is in flight', async () => (await harness.metric('in_flight_requests')) === 0);
  expect(await harness.metric('bad_connections_total', { reason: '408' })).toBe(3);
});

test('a client that does not go after our last word is cut off', async () => {
  const clock = new ManualClock();
  const { client } = await setUp(answerJson, { clock });
  const one = client(true).write('NONSENSE\r\n\r\n');
  expect(await one.answers(1)).toEqual([400]);
  one.write('more');
  expect(one.closed).toBe(false);
  clock.advance(6_000);
  await eventually('the connection is reset', () => {
    one.write('more');
    return one.closed;
  });
});

test('garbage behind a whole request does not spoil its answer', async () => {
  const { engine, client } = await setUp();
  const one = client().write(`${chat()}NONSENSE\r\n\r\n`);
  answerJson(await engine.nextCall());
  expect(await one.answers(2)).toEqual([200, 400]);
  await one.end();
});

test('a request whose body breaks off in its first read is none: a drain waits for the others all the same', async () => {
  const { engine, client, harness } = await setUp();
  const bad =
    'POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nNONSENSE\r\n';
  expect(await client().write(bad).end()).toMatch(/^HTTP\/1\.1 400 /);
  const one = client().write(chat(streaming));
  const call = await engine.nextCall();
  const closed = harness.gateway.close();
  await new Promise(setImmediate);
  answerStream(call);
  await closed;
  expect(await one.end()).toContain('[DONE]');
});

test('a client that says it is done before the answer comes is gone', async () => {
  const { engine, client, harness } = await setUp();
  const one = client().write(chat());
  const call = await engine.nextCall();
  one.socket.end();
  await call.closed;
  await one.end();
  await eventually('lease released', () => harness.routing.inFlight() === 0);
});
