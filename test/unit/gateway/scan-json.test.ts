// The raw scan agrees with JSON.parse about depth and about the model, for any JSON however it is written.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { maxJsonDepth, parseRequest } from '../../../src/gateway/request/parse-request.js';
import { scanJson, splice } from '../../../src/gateway/request/scan-json.js';

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

const text = fc
  .tuple(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t'))
  .map(([value, indent]) => ({ value, json: JSON.stringify(value, null, indent) }));

test('depth', () => {
  fc.assert(
    fc.property(text, ({ value, json }) => {
      expect(scanJson(Buffer.from(json), 1000).depth).toBe(depthOf(value));
    }),
    { numRuns: 500 },
  );
  expect(scanJson(Buffer.from('['.repeat(1_000_000)), maxJsonDepth).depth).toBe(maxJsonDepth + 1);
});

test('the model is found and replaced, and nothing else', () => {
  const members = fc.array(fc.tuple(fc.string(), fc.jsonValue({ maxDepth: 3 })), { maxLength: 6 });
  fc.assert(
    fc.property(
      members,
      members,
      fc.string({ minLength: 1 }),
      fc.string(),
      (before, after, model, replacement) => {
        const write = (list: [string, unknown][]): string[] =>
          list.map(([k, v]) => `${JSON.stringify(k)} :\t${JSON.stringify(v)}`);
        const head = `{ ${[...write(before), '"model"\n: '].join(' , ')}`;
        const tail = `${['', ...write(after.filter(([k]) => k !== 'model'))].join(' , ')} }`;
        const body = Buffer.from(`${head}${JSON.stringify(model)}${tail}`);
        const parsed = parseRequest(body);
        expect(parsed).toMatchObject({ model });
        const { model: bytes } = scanJson(body, maxJsonDepth);
        expect(bytes && splice(body, bytes, JSON.stringify(replacement)).toString()).toBe(
          `${head}${JSON.stringify(replacement)}${tail}`,
        );
      },
    ),
    { numRuns: 500 },
  );
});

test('any bytes: no throw, no endless loop', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      scanJson(Buffer.from(bytes), 10);
      parseRequest(Buffer.from(bytes));
    }),
  );
});
