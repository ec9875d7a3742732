// The request parser against any split of the bytes, against garbage, and against Node's own parser: what it accepts it reads
// as Node does, and what two readers could take differently it refuses.
import { createServer } from 'node:http';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HeadTooLarge, MalformedMessage } from '../../../src/gateway/wire/message-parser.js';
import { RequestParser, type RequestHead } from '../../../src/gateway/wire/request-parser.js';

interface Read {
  heads: RequestHead[];
  bodies: string[];
  ended: number;
  error: unknown;
}

/** Reads requests one after the other, as a connection does. */
function parse(parts: readonly Buffer[]): Read {
  const read: Read = { heads: [], bodies: [], ended: 0, error: null };
  const parser = new RequestParser({
    onHead: (head) => {
      read.heads.push(head);
      read.bodies.push('');
    },
    onData: (bytes) => (read.bodies[read.bodies.length - 1] += bytes.toString('latin1')),
    onEnd: () => (read.ended += 1),
  });
  try {
    for (const part of parts) {
      const ended = read.ended;
      for (let rest: Buffer | null = part; rest !== null;) {
        const before: number = read.ended;
        rest = parser.push(rest);
        if (read.ended > before) parser.begin();
      }
      expect(read.ended).toBeGreaterThanOrEqual(ended);
    }
  } catch (error) {
    read.error = error;
  }
  return read;
}

const one = (text: string): Read => parse([Buffer.from(text, 'latin1')]);

const splitAt = (bytes: Buffer, cuts: number[]): Buffer[] => {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...at, bytes.length]
    .map((end, i) => bytes.subarray(at[i - 1] ?? 0, end))
    .filter((part) => part.length > 0);
};

const aRequest = fc.record({
  method: fc.constantFrom('POST', 'GET', 'DELETE'),
  target: fc.constantFrom('/v1/chat/completions', '/v1/models?x=1', '*'),
  chunks: fc.array(
    fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    { maxLength: 5 },
  ),
  chunked: fc.boolean(),
  blank: fc.constantFrom('', '\r\n', '\r\n\r\n'),
});
type ARequest = typeof aRequest extends fc.Arbitrary<infer T> ? T : never;

function write({ method, target, chunks, chunked, blank }: ARequest): Buffer {
  const body = Buffer.concat(chunks);
  const framing = chunked ? 'Transfer-Encoding: chunked\r\n' : `content-length: ${body.length}\r\n`;
  const head = `${blank}${method} ${target} HTTP/1.1\r\nHost: a\r\nX-A:  b \r\n${framing}\r\n`;
  const framed = chunks.flatMap((chunk) => [
    Buffer.from(`${chunk.length.toString(16)};x=y\r\n`),
    chunk,
    Buffer.from('\r\n'),
  ]);
  const rest = chunked ? [...framed, Buffer.from('0\r\nx-sum: 1\r\n\r\n')] : [body];
  return Buffer.concat([Buffer.from(head), ...rest]);
}

const several = fc.array(aRequest, { minLength: 1, maxLength: 4 });

test('any requests in a row survive any split of their bytes', () => {
  fc.assert(
    fc.property(several, fc.array(fc.nat()), (requests, cuts) => {
      const read = parse(splitAt(Buffer.concat(requests.map(write)), cuts));
      expect(read.error).toBe(null);
      expect(read.heads.map(({ method, target }) => ({ method, target }))).toEqual(
        requests.map(({ method, target }) => ({ method, target })),
      );
      expect(read.bodies).toEqual(requests.map(({ chunks }) => Buffer.concat(chunks).toString('latin1')));
      expect(read.ended).toBe(requests.length);
    }),
  );
});

test('one byte at a time', () => {
  fc.assert(
    fc.property(several, (requests) => {
      const bytes = Buffer.concat(requests.map(write));
      const bodies = requests.map(({ chunks }) => Buffer.concat(chunks).toString('latin1'));
      expect(parse([...bytes].map((byte) => Buffer.from([byte])))).toMatchObject({ error: null, bodies });
    }),
    { numRuns: 30 },
  );
});

const damaged = fc
  .tuple(aRequest, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 4 }))
  .map(([request, at, bytes]) => {
    const whole = write(request);
    Buffer.from(bytes).copy(whole, at % whole.length);
    return whole;
  });

test('garbage and damaged requests end in a request, an error, or a wait, whatever the split', () => {
  const garbage = fc.uint8Array().map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.oneof(damaged, garbage), fc.array(fc.nat()), (bytes, cuts) => {
      const whole = parse([bytes].filter((b) => b.length > 0));
      const split = parse(splitAt(bytes, cuts));
      expect(whole.error === null || whole.error instanceof MalformedMessage).toBe(true);
      expect([split.ended, split.error === null]).toEqual([whole.ended, whole.error === null]);
      if (whole.error === null) expect(split.bodies).toEqual(whole.bodies);
    }),
    { numRuns: 1000 },
  );
});

interface NodeRead {
  method: string | undefined;
  target: string | undefined;
  headers: object;
  body: string;
}

/** What Node makes of the same bytes, followed by the end of the connection; `null` where it refuses or waits. */
function readAsNode(bytes: Buffer): Promise<NodeRead[]> {
  return new Promise((resolve) => {
    const read: NodeRead[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.setEncoding('latin1').on('data', (text: string) => (body += text));
      request.on('error', () => undefined);
      request.on('end', () => {
        const { method, url: target, headers, complete } = request;
        if (complete) read.push({ method, target, headers: { ...headers }, body });
        response.end();
      });
    });
    const socket = new Duplex({ read: () => undefined, write: (_, __, done) => done() });
    socket.on('error', () => undefined).on('close', () => resolve(read));
    server.on('clientError', () => socket.destroy());
    server.emit('connection', socket);
    socket.push(bytes);
    setImmediate(() => setImmediate(() => socket.destroy()));
  });
}

test('what it accepts, Node reads the same way', async () => {
  const poked = fc
    .tuple(
      aRequest,
      fc.nat(),
      fc.constantFrom('\r', '\n', ' ', ':', ';', '0', 'f', '\u0000', ',', '\r\n', '\r\nx-a: c'),
    )
    .map(([request, at, text]) => {
      const bytes = write(request);
      const end = Math.min(bytes.length, 160);
      return Buffer.concat([
        bytes.subarray(0, at % end),
        Buffer.from(text, 'latin1'),
        bytes.subarray(at % end),
      ]);
    });
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(fc.oneof(poked, damaged, aRequest.map(write)), async (bytes) => {
      const ours = parse([bytes]);
      if (ours.error !== null || ours.ended !== 1 || ours.heads.length !== 1) return;
      const [node] = await readAsNode(bytes);
      if (node === undefined) return;
      compared += 1;
      const [head] = ours.heads as [RequestHead];
      expect({
        method: head.method,
        target: head.target,
        headers: { ...head.headers },
        body: ours.bodies[0],
      }).toEqual(node);
    }),
    { numRuns: 600 },
  );
  expect(compared).toBeGreaterThan(100);
});

test.each([
  [
    'a length beside chunks',
    'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
  ],
  ['two lengths', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n'],
  ['the same length twice', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n'],
  ['a list of lengths', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 1\r\n\r\n'],
  ['a signed length', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\n'],
  ['another encoding', 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n'],
  [
    'chunks twice',
    'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n',
  ],
  ['chunks in HTTP/1.0', 'POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n'],
  ['no host', 'GET / HTTP/1.1\r\n\r\n'],
  ['two hosts', 'GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n'],
  ['a folded header', 'GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n'],
  ['a space before the colon', 'GET / HTTP/1.1\r\nhost : a\r\n\r\n'],
  ['a bare line feed', 'GET / HTTP/1.1\nhost: a\r\n\r\n'],
  ['a bare carriage return in a value', 'GET / HTTP/1.1\r\nhost: a\rb\r\n\r\n'],
  ['a zero byte in a value', 'GET / HTTP/1.1\r\nhost: a\0b\r\n\r\n'],
  ['a bare line feed behind a value', 'GET / HTTP/1.1\r\nhost: a\n\r\n\r\n'],
  ['a vertical tab before a length', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: \v1\r\n\r\n'],
  ['another protocol', 'PRI * HTTP/2.0\r\n\r\n'],
  ['two spaces', 'GET  / HTTP/1.1\r\nhost: a\r\n\r\n'],
  ['a space in the target', 'GET /a b HTTP/1.1\r\nhost: a\r\n\r\n'],
  ['a method in small letters', 'get / HTTP/1.1\r\nhost: a\r\n\r\n'],
  ['a header before the request', ' host: a\r\nGET / HTTP/1.1\r\n\r\n'],
  [
    'a chunk longer than its size',
    'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n',
  ],
])('%s is refused', (_, text) => {
  expect(one(text).error).toBeInstanceOf(MalformedMessage);
});

test('a head beyond 16 KiB is refused while it comes', () => {
  const { error, heads } = one(`GET / HTTP/1.1\r\nhost: a\r\n${'x: y\r\n'.repeat(3000)}`);
  expect(error).toBeInstanceOf(HeadTooLarge);
  expect(heads).toEqual([]);
});

test('of a name that came twice the first counts, or all do, as Node has it', async () => {
  const names = [
    'authorization',
    'content-type',
    'user-agent',
    'cookie',
    'content-encoding',
    'x-session-id',
    'accept',
    'connection',
  ];
  const lines = names.map((name) => `${name}: a\r\n${name.toUpperCase()}: b\r\n`).join('');
  const text = `GET / HTTP/1.1\r\nhost: h\r\n${lines}\r\n`;
  const [node] = await readAsNode(Buffer.from(text));
  expect(node).toBeDefined();
  expect({ ...one(text).heads[0]?.headers }).toEqual(node?.headers);
});

test('names that objects inherit are names like others', () => {
  const { heads } = one('GET / HTTP/1.1\r\nhost: a\r\nconstructor: x\r\n__proto__: y\r\n\r\n');
  expect(Object.entries(heads[0]!.headers)).toEqual([
    ['host', 'a'],
    ['constructor', 'x'],
    ['__proto__', 'y'],
  ]);
});

test('what the client says about its connection', () => {
  const head = (line: string, version = '1.1'): RequestHead =>
    one(`GET / HTTP/${version}\r\nhost: a\r\n${line}\r\n`).heads[0]!;
  expect(head('')).toMatchObject({ keepAlive: true, old: false, waits: false, length: 0 });
  expect(head('Connection: x, Close\r\n')).toMatchObject({ keepAlive: false });
  expect(head('', '1.0')).toMatchObject({ keepAlive: false, old: true });
  expect(head('connection: Keep-Alive\r\n', '1.0')).toMatchObject({ keepAlive: true });
  expect(head('expect: 100-continue\r\n')).toMatchObject({ waits: true });
});
