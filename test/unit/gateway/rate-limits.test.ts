// Requests and tokens per minute, per key and per tenant: reserved before, settled after, in the process's own memory.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, expect, test } from 'vitest';
import { ApiKeys } from '../../../src/gateway/keys/api-keys.js';
import { MemoryRateStore, type RateScope } from '../../../src/gateway/keys/rate-store.js';
import { post, startGateway, type Answer, type Harness } from '../../support/gateway-harness.js';
import { ManualClock } from '../../support/manual-clock.js';
import { answerJson, answerStream, completion, ScriptedEngine } from '../../support/scripted-engine.js';

const scope = (
  name: string,
  requestsPerMinute: number | null,
  tokensPerMinute: number | null,
): RateScope => ({
  name,
  requestsPerMinute,
  tokensPerMinute,
});

test('what is granted in any minute stays within twice the limit, over a long time within the limit', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ afterMs: fc.nat(5000), tokens: fc.integer({ min: 1, max: 400 }) }), {
        minLength: 50,
        maxLength: 200,
      }),
      (calls) => {
        const clock = new ManualClock();
        const store = new MemoryRateStore(clock);
        const key = scope('key:a', 30, 1000);
        let [elapsedMs, requests, tokens] = [0, 0, 0];
        for (const call of calls) {
          clock.advance(call.afterMs);
          elapsedMs += call.afterMs;
          if (!store.reserve([key], call.tokens).granted) continue;
          requests += 1;
          tokens += call.tokens;
        }
        const minutes = 1 + elapsedMs / 60_000;
        expect(requests).toBeLessThanOrEqual(30 * minutes + 1);
        expect(tokens).toBeLessThanOrEqual(1000 * minutes + 1);
      },
    ),
  );
});

test('in every scope or in none; who is refused learns where, what and when', () => {
  const clock = new ManualClock();
  const store = new MemoryRateStore(clock);
  const scopes = [scope('key:a', 2, null), scope('tenant:t', null, 100)];
  expect(store.reserve(scopes, 90)).toEqual({ granted: true });
  expect(store.reserve(scopes, 20)).toEqual({
    granted: false,
    scope: 'tenant:t',
    what: 'tokens',
    retryAfterMs: 6000,
  });
  // The refused one has taken nothing from the key.
  expect(store.reserve([scopes[0]!], 0)).toEqual({ granted: true });
  expect(store.reserve([scopes[0]!], 0)).toMatchObject({
    granted: false,
    what: 'requests',
    retryAfterMs: 30_000,
  });
  clock.advance(30_000);
  expect(store.reserve([scopes[0]!], 0)).toEqual({ granted: true });
});

test('settling gives back what was not used, and a debt is waited off', () => {
  const clock = new ManualClock();
  const store = new MemoryRateStore(clock);
  const key = [scope('key:a', null, 100)];
  store.reserve(key, 100);
  store.settle(key, 60);
  expect(store.reserve(key, 60).granted).toBe(true);
  store.settle(key, -100);
  clock.advance(60_000);
  expect(store.reserve(key, 1).granted).toBe(false);
  clock.advance(1000);
  expect(store.reserve(key, 1).granted).toBe(true);
});

test('a request larger than the limit passes when the bucket is full, and pays for it', () => {
  const clock = new ManualClock();
  const store = new MemoryRateStore(clock);
  const key = [scope('key:a', null, 100)];
  expect(store.reserve(key, 250).granted).toBe(true);
  clock.advance(120_000);
  expect(store.reserve(key, 250).granted).toBe(false);
  clock.advance(30_000);
  expect(store.reserve(key, 250).granted).toBe(true);
});

const directory = mkdtempSync(join(tmpdir(), 'infernode-limits-'));
afterAll(() => rmSync(directory, { recursive: true }));
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});
const digest = (key: string): string => createHash('sha256').update(key).digest('hex');

async function setUp(document: object): Promise<{
  engine: ScriptedEngine;
  harness: Harness;
  ask: (key: string, body?: object, headers?: Record<string, string>) => Promise<Answer>;
}> {
  const file = join(directory, 'keys.yaml');
  writeFileSync(file, JSON.stringify(document));
  const engine = await ScriptedEngine.start(answerJson);
  const harness = await startGateway([engine], { keys: { file } });
  open.push(engine, harness);
  return {
    engine,
    harness,
    ask: (key, body = {}, headers = {}) =>
      post(
        `${harness.url}/v1/chat/completions`,
        { model: 'model', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 50, ...body },
        { authorization: `Bearer ${key}`, ...headers },
      ),
  };
}

test('a key beyond its requests gets 429 with a Retry-After, and nothing is sent upstream', async () => {
  const { engine, harness, ask } = await setUp({
    keys: [
      { id: 'a', sha256: digest('a'), requestsPerMinute: 1 },
      { id: 'b', sha256: digest('b') },
    ],
  });
  expect((await ask('a')).status).toBe(200);
  const refused = await ask('a');
  expect([refused.status, refused.json.error?.code, refused.json.error?.type]).toEqual([
    429,
    'rate-limited',
    'RateLimitError',
  ]);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(50);
  expect((await ask('b')).status).toBe(200);
  expect(engine.calls).toHaveLength(2);
  expect(await harness.metric('rate_limited_total', { scope: 'key', what: 'requests' })).toBe(1);
});

test('a tenant shares its tokens among its keys; what was reserved and not used comes back', async () => {
  const { ask, harness } = await setUp({
    keys: [
      { id: 'a', sha256: digest('a'), tenant: 't' },
      { id: 'b', sha256: digest('b'), tenant: 't' },
    ],
    tenants: [{ id: 't', tokensPerMinute: 100 }],
  });
  // Each reserves more than 50 and uses 9, as the engine says.
  for (const key of ['a', 'b', 'a', 'b']) expect((await ask(key)).status).toBe(200);
  expect((await ask('a', { max_tokens: 90 })).status).toBe(429);
  expect(await harness.metric('key_tokens_total', { key: 'a', kind: 'prompt' })).toBe(
    2 * completion.usage.prompt_tokens,
  );
  expect(await harness.metric('key_tokens_total', { key: 'b', kind: 'completion' })).toBe(
    2 * completion.usage.completion_tokens,
  );
  expect(await harness.metric('key_requests_total', { key: 'a' })).toBe(2);
});

test('a stream that reports no usage is counted by its events; a failed request costs no tokens', async () => {
  const { engine, ask, harness } = await setUp({
    keys: [{ id: 'a', sha256: digest('a'), tokensPerMinute: 100 }],
  });
  engine.script = answerStream;
  expect((await ask('a', { stream: true })).status).toBe(200);
  expect(await harness.metric('key_tokens_total', { key: 'a', kind: 'completion' })).toBe(2);
  engine.script = ({ socket }) => void socket.destroy();
  expect((await ask('a')).status).toBe(502);
  engine.script = (call) => answerJson(call);
  expect((await ask('a', { max_tokens: 60 })).status).toBe(200);
});

test.each([
  [
    'an unknown tenant',
    { keys: [{ id: 'a', sha256: digest('a'), tenant: 'x' }], tenants: [{ id: 't' }] },
    /tenant "x"/,
  ],
  ['a limit of 0', { keys: [{ id: 'a', sha256: digest('a'), requestsPerMinute: 0 }] }, /requestsPerMinute/],
  ['a misspelt member', { keys: [{ id: 'a', sha256: digest('a'), rpm: 1 }] }, /rpm/],
])('%s is refused by name', (_, document, message) => {
  expect(() => new ApiKeys(document as never)).toThrow(message);
});
