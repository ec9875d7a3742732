// What native code lets pass unread, the readers in JavaScript would have read as so many whole events with nothing in them: for
// streams as engines write them, for odd ones, and for damaged ones.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SseObserver, wordsWorthReading } from '../../../src/gateway/relay/sse-observer.js';
import { ResponseParser } from '../../../src/gateway/wire/response-parser.js';
import { loadAddon } from '../../../src/native/load-addon.js';
import { chunkEvent, doneEvent } from '../../support/scripted-engine.js';

const { countPlainEvents } = loadAddon();
const count = (bytes: Buffer): number => countPlainEvents(wordsWorthReading, bytes);
const chunk = (data: string): Buffer => {
  const bytes = Buffer.from(data);
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
};

/** What JavaScript makes of a read in the middle of a stream; `null` when it is malformed. */
function read(bytes: Buffer): object | null {
  const observer = new SseObserver();
  let incomplete = 0;
  const parser = new ResponseParser({
    onHead: () => undefined,
    onData: (data) => (incomplete = observer.push(data.toString('latin1'))),
    onEnd: () => undefined,
  });
  parser.begin('POST');
  parser.push(Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'));
  try {
    parser.push(bytes);
  } catch {
    return null;
  }
  const { betweenChunks } = parser;
  return { ...observer.summary, incomplete, betweenChunks, betweenEvents: observer.betweenEvents };
}

const plain = (events: number): object => ({
  events,
  ...{ done: false, finishReason: null, usage: null, error: null, terminal: false },
  ...{ incomplete: 0, betweenChunks: true, betweenEvents: true },
});

const token = fc.oneof(
  fc.string({ unit: 'grapheme' }).map((text) => chunkEvent(text)),
  fc.string().map((text) => chunkEvent(`"usage":{"prompt_tokens":9} "finish_reason":"stop" [DONE ${text}`)),
  fc.constant('data: {"choices":[],"usage":null,"finish_reason": null}\n\n'),
  fc.constant('event: response.output_text.delta\ndata: {"delta":"a"}\n\n'),
  fc.constant('data: one\ndata: two\n\n'),
);
const worthReading = fc.oneof(
  fc.constantFrom('stop', 'length').map((reason) => chunkEvent('', reason)),
  fc.constantFrom(
    doneEvent,
    'data: {"usage": {"prompt_tokens":1}}\n\n',
    'data: {"choices":[{"finish_reason" :  "stop"}]}\n\n',
    'data: {"error":{"message":"no"}}\n\n',
    'data: {"error" : "no"}\n\n',
    'event: response.completed\ndata: {"type":"response.completed","response":{}}\n\n',
    'data: {"type" : "response.failed"}\n\n',
    'data: {"type":"response.incomplete"}\n\n',
    'data: {"type":"error","message":"no"}\n\n',
  ),
);
const odd = fc.constantFrom(
  ': keep-alive\n\n',
  'data: a\r\n\r\n',
  'data: a',
  '\n',
  'id: 1\ndata: a\n\n',
  'event: a\n\n',
);

test('tokens as engines write them pass, one or several in a read', () => {
  const chunks = fc.array(fc.array(token, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(chunks, (written) => {
      const bytes = Buffer.concat(written.map((events) => chunk(events.join(''))));
      expect(count(bytes)).toBe(written.flat().length);
      expect(read(bytes)).toEqual(plain(written.flat().length));
    }),
  );
});

test('an event with something to read never passes', () => {
  const events = fc.tuple(fc.array(token, { maxLength: 2 }), worthReading, fc.array(token, { maxLength: 2 }));
  fc.assert(
    fc.property(events, ([before, event, after]) => {
      const bytes = Buffer.concat([...before, event, ...after].map(chunk));
      expect(read(bytes)).not.toEqual(plain(before.length + after.length + 1));
      expect(count(bytes)).toBe(0);
    }),
  );
});

test('whatever passes JavaScript reads as whole events with nothing in them, also of damaged bytes', () => {
  const event = fc.oneof({ arbitrary: token, weight: 4 }, worthReading, odd);
  const damage = fc.record({
    at: fc.nat(),
    bytes: fc.constantFrom('', '\n', '\r', '0', '\r\n', '"', 'data:'),
  });
  let passed = 0;
  fc.assert(
    fc.property(
      fc.array(event, { minLength: 1, maxLength: 4 }),
      fc.array(damage, { maxLength: 2 }),
      fc.nat(),
      fc.boolean(),
      (events, damages, cut, whole) => {
        let text = Buffer.concat(events.map(chunk)).toString('latin1');
        for (const { at, bytes } of damages) {
          const place = at % (text.length + 1);
          text = text.slice(0, place) + bytes + text.slice(place + (bytes === '' ? 1 : 0));
        }
        const bytes = Buffer.from(whole ? text : text.slice(0, cut % (text.length + 1)), 'latin1');
        const events_ = count(bytes);
        if (events_ === 0) return;
        passed += 1;
        expect(read(bytes)).toEqual(plain(events_));
      },
    ),
    { numRuns: 5000 },
  );
  expect(passed).toBeGreaterThan(200);
});

test.each([
  ['nothing', ''],
  ['a size without its chunk', '5\r\n'],
  ['no size', '\r\ndata: a\n\n\r\n'],
  ['the last chunk', '0\r\n\r\n'],
  ['an extension', '9;a=b\r\ndata: a\n\n\r\n'],
  ['a longer chunk than said', '8\r\ndata: a\n\n\r\n'],
  ['a size of six digits', '000009\r\ndata: a\n\n\r\n'],
])('%s does not pass', (_, text) => {
  expect(count(Buffer.from(text))).toBe(0);
});
