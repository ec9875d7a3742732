// The response parser against any split of the bytes, against garbage, and against Node's own parser: what it accepts it
// reads as Node does, and what two readers could take differently it refuses.
import { request } from 'node:http';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MalformedMessage } from '../../../src/gateway/wire/message-parser.js';
import { ResponseParser, type ResponseHead } from '../../../src/gateway/wire/response-parser.js';

interface Read {
  head: ResponseHead | null;
  body: string;
  ended: number;
  error: unknown;
}

/** Every part is written into one buffer that the next overwrites, as on a connection. */
function parse(parts: Buffer[], { method = 'POST', closes = true } = {}): Read {
  const read: Read = { head: null, body: '', ended: 0, error: null };
  const parser = new ResponseParser({
    onHead: (head) => (read.head = head),
    onData: (bytes) => (read.body += bytes.toString('latin1')),
    onEnd: () => (read.ended += 1),
  });
  const shared = Buffer.alloc(256 * 1024);
  parser.begin(method);
  try {
    for (const part of parts) {
      part.copy(shared);
      parser.push(shared, part.length);
    }
    if (closes) parser.finish();
  } catch (error) {
    read.error = error;
  }
  return read;
}

const splitAt = (bytes: Buffer, cuts: number[]): Buffer[] => {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...at, bytes.length]
    .map((end, i) => bytes.subarray(at[i - 1] ?? 0, end))
    .filter((part) => part.length > 0);
};

const chunks = fc.array(
  fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  { maxLength: 6 },
);
const aResponse = fc.record({
  chunks,
  framing: fc.constantFrom('chunked', 'length', 'close'),
  interim: fc.boolean(),
  extension: fc.constantFrom('', ';a=b', ' ; q="x"'),
  trailer: fc.constantFrom('', 'x-sum: 1\r\n'),
  status: fc.constantFrom(200, 404, 503),
});

function write(response: typeof aResponse extends fc.Arbitrary<infer T> ? T : never): {
  bytes: Buffer;
  body: string;
} {
  const { framing, extension, trailer, status, interim } = response;
  const body = Buffer.concat(response.chunks);
  const header =
    framing === 'chunked'
      ? 'Transfer-Encoding: chunked\r\n'
      : framing === 'length'
        ? `content-length: ${body.length}\r\n`
        : '';
  const head = `${interim ? 'HTTP/1.1 100 Continue\r\n\r\n' : ''}HTTP/1.1 ${status} Any Reason\r\nX-A:  b \r\n${header}\r\n`;
  const framed = response.chunks.flatMap((chunk) => [
    Buffer.from(`${chunk.length.toString(16)}${extension}\r\n`),
    chunk,
    Buffer.from('\r\n'),
  ]);
  const rest = framing === 'chunked' ? [...framed, Buffer.from(`0\r\n${trailer}\r\n`)] : [body];
  return { bytes: Buffer.concat([Buffer.from(head), ...rest]), body: body.toString('latin1') };
}

test('any response survives any split of its bytes', () => {
  fc.assert(
    fc.property(aResponse, fc.array(fc.nat()), (response, cuts) => {
      const { bytes, body } = write(response);
      const read = parse(splitAt(bytes, cuts));
      expect(read).toMatchObject({ body, ended: 1, error: null, head: { status: response.status } });
      expect(read.head?.headers.slice(0, 2)).toEqual(['X-A', 'b']);
    }),
  );
});

test('one byte at a time', () => {
  fc.assert(
    fc.property(aResponse, (response) => {
      const { bytes, body } = write(response);
      expect(parse([...bytes].map((byte) => Buffer.from([byte])))).toMatchObject({
        body,
        ended: 1,
        error: null,
      });
    }),
    { numRuns: 30 },
  );
});

test('garbage and damaged responses end in a body, an error, or a wait: never in anything else', () => {
  const damaged = fc
    .tuple(aResponse, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 4 }))
    .map(([response, at, bytes]) => {
      const whole = Buffer.from(write(response).bytes);
      Buffer.from(bytes).copy(whole, at % whole.length);
      return whole;
    });
  fc.assert(
    fc.property(
      fc.oneof(
        damaged,
        fc.uint8Array().map((b) => Buffer.from(b)),
      ),
      fc.array(fc.nat()),
      (bytes, cuts) => {
        const whole = parse([bytes].filter((b) => b.length > 0));
        const split = parse(splitAt(bytes, cuts));
        expect(whole.error === null || whole.error instanceof MalformedMessage).toBe(true);
        expect([split.ended, split.error === null, split.head?.status]).toEqual([
          whole.ended,
          whole.error === null,
          whole.head?.status,
        ]);
        if (whole.error === null) expect(split.body).toBe(whole.body);
      },
    ),
    { numRuns: 1000 },
  );
});

/** What Node makes of the same bytes, followed by the end of the connection. */
function readAsNode(bytes: Buffer): Promise<{ status: number; body: string } | null> {
  return new Promise((resolve) => {
    const socket = new Duplex({ read: () => undefined, write: (_, __, done) => done() });
    const call = request(
      { createConnection: () => socket, method: 'POST', path: '/', agent: false },
      (response) => {
        let body = '';
        response.setEncoding('latin1').on('data', (text: string) => (body += text));
        response.on('error', () => resolve(null)).on('aborted', () => resolve(null));
        response.on('end', () =>
          resolve(response.complete ? { status: response.statusCode ?? 0, body } : null),
        );
      },
    );
    call
      .on('error', () => resolve(null))
      .end(() => {
        socket.push(bytes);
        socket.push(null);
      });
  });
}

test('what it accepts, Node reads the same way', async () => {
  const damaged = fc
    .tuple(aResponse, fc.nat(), fc.constantFrom('\r', '\n', ' ', ':', ';', '0', 'f', '\u0000', ','))
    .map(([response, at, byte]) => {
      const { bytes } = write(response);
      const end = Math.min(bytes.length, 160);
      return Buffer.concat([
        bytes.subarray(0, at % end),
        Buffer.from(byte, 'latin1'),
        bytes.subarray(at % end),
      ]);
    });
  await fc.assert(
    fc.asyncProperty(damaged, async (bytes) => {
      const ours = parse([bytes]);
      if (ours.error !== null || ours.ended !== 1) return;
      const node = await readAsNode(bytes);
      if (node !== null) expect({ status: ours.head?.status, body: ours.body }).toEqual(node);
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['a length beside chunks', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n'],
  ['a signed length', 'HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n'],
  ['another encoding', 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n'],
  ['a folded header', 'HTTP/1.1 200 OK\r\nx: a\r\n b\r\n\r\n'],
  ['a space before the colon', 'HTTP/1.1 200 OK\r\ncontent-length : 1\r\n\r\n'],
  ['a bare line feed', 'HTTP/1.1 200 OK\nx: a\r\n\r\n'],
  ['a bare line feed behind a value', 'HTTP/1.1 200 OK\r\nx: a\n\r\n\r\n'],
  ['another protocol', 'HTTP/2 200\r\n\r\n'],
  ['a switch of protocols', 'HTTP/1.1 101 Switching\r\n\r\n'],
  ['a chunk longer than its size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n'],
  ['a chunk size with 0x', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x1\r\na\r\n'],
  ['bytes after the end', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab'],
  ['a head without end', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(20_000)}`],
])('%s is refused', (_, text) => {
  expect(parse([Buffer.from(text)]).error).toBeInstanceOf(MalformedMessage);
});

test('a HEAD request, 204 and 304 have no body', () => {
  const head = (status: number): Buffer[] => [
    Buffer.from(`HTTP/1.1 ${status} x\r\ncontent-length: 5\r\n\r\n`),
  ];
  expect(parse(head(200), { method: 'HEAD', closes: false }).ended).toBe(1);
  for (const status of [204, 304]) expect(parse(head(status), { closes: false }).ended).toBe(1);
});

test('what the engine says about its connection', () => {
  const read = (lines: string): ResponseHead | null =>
    parse([Buffer.from(`${lines}content-length: 0\r\n\r\n`)]).head;
  expect(read('HTTP/1.1 200 OK\r\n')).toMatchObject({ keepAlive: true, keepAliveSeconds: null });
  expect(read('HTTP/1.1 200 OK\r\nConnection: Close\r\n')).toMatchObject({ keepAlive: false });
  expect(read('HTTP/1.0 200 OK\r\n')).toMatchObject({ keepAlive: false });
  expect(read('HTTP/1.1 200 OK\r\nkeep-alive: timeout=3\r\n')).toMatchObject({ keepAliveSeconds: 3 });
});
