// The observer reads the same from a stream whatever way its bytes are cut, and always knows whether it stands between
// two events. Pinned to a slow reader that has the whole text.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SseObserver, type SseSummary } from '../../../src/gateway/relay/sse-observer.js';
import { chunkEvent, doneEvent } from '../../support/scripted-engine.js';

function observe(pieces: Buffer[]): { summary: SseSummary; incomplete: number[] } {
  const observer = new SseObserver();
  const incomplete = pieces.map((piece) => observer.push(piece.toString('latin1')));
  return { summary: observer.summary, incomplete };
}

/** The plainest reading of a whole stream. */
function slowly(text: string): Pick<SseSummary, 'events' | 'done' | 'finishReason'> & { usage: unknown } {
  const found = { events: 0, done: false, finishReason: null as string | null, usage: null as unknown };
  const blocks = text.split(/\r\n\r\n|\n\n|\r\r/);
  for (const block of blocks.slice(0, -1)) {
    const lines = block.split(/\r\n|\n|\r/).filter((line) => line.startsWith('data:'));
    if (lines.length === 0) continue;
    const data = lines.map((line) => line.slice(5).replace(/^ /, '')).join('\n');
    if (data === '[DONE]') {
      found.done = true;
      continue;
    }
    found.events += 1;
    const object = JSON.parse(data) as {
      choices?: { finish_reason?: string | null }[];
      usage?: { prompt_tokens: number };
    };
    found.finishReason = object.choices?.[0]?.finish_reason ?? found.finishReason;
    if (object.usage) found.usage = object.usage.prompt_tokens;
  }
  return found;
}

const event = fc.oneof(
  fc.string({ unit: 'grapheme' }).map((text) => chunkEvent(text)),
  fc.string().map((text) => chunkEvent(`"usage":{"prompt_tokens":99} "finish_reason":"stop" [DONE] ${text}`)),
  fc.constantFrom('stop', 'length').map((finish) => chunkEvent('', finish)),
  fc.nat(1000).map((n) => `data: {"choices":[],"usage": {"prompt_tokens":${n},"completion_tokens":1}}\n\n`),
  fc.constant(': keep-alive\n\n'),
  fc.constant('event: message\nid: 3\ndata: {"choices":\ndata: []}\n\n'),
  fc.constant('data:{"choices":[{"index":0,"finish_reason" : "stop"}]}\n\n'),
  fc.constant(doneEvent),
);
const stream = fc
  .tuple(fc.array(event, { maxLength: 12 }), fc.constantFrom('\n', '\r\n', '\r'))
  .map(([events, newline]) => events.join('').replaceAll('\n', newline));

test('any split of any stream reads the same', () => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat(4000), { maxLength: 30 }), (text, cuts) => {
      const bytes = Buffer.from(text);
      const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort(
        (a, b) => a - b,
      );
      const pieces = places.slice(1).map((end, i) => bytes.subarray(places[i], end));
      const { summary } = observe(pieces);
      const { events, done, finishReason, usage } = slowly(text);
      expect({ ...summary, usage: summary.usage?.promptTokens ?? null, error: null }).toEqual({
        events,
        done,
        finishReason,
        usage,
        error: null,
        terminal: false,
      });
    }),
    { numRuns: 500 },
  );
});

test('it knows how much of the last bytes belongs to an event that is not complete', () => {
  const whole = chunkEvent('x');
  expect(observe([Buffer.from(whole)]).incomplete).toEqual([0]);
  expect(observe([Buffer.from(`${whole}data: {"a`)]).incomplete).toEqual([9]);
  expect(
    observe([Buffer.from('data: {'), Buffer.from('}\n'), Buffer.from('\nda'), Buffer.from('ta')]).incomplete,
  ).toEqual([7, 2, 2, 2]);
});

test('an in-band error is read, also where releases write it without a wrapper object', () => {
  const { summary } = observe([Buffer.from('data: {"error":{"message":"engine died","code":500}}\n\n')]);
  expect(summary.error).toEqual({ message: 'engine died', code: 500 });
});

test('a huge event is passed over, the one after it is read', () => {
  const observer = new SseObserver();
  observer.push('data: {"junk":"');
  for (let i = 0; i < 40; i++) observer.push('x'.repeat(64 * 1024));
  observer.push(`"}\n\n${chunkEvent('', 'stop')}`);
  expect(observer.summary.finishReason).toBe('stop');
  expect(observer.skipped).toBe(1);
});
