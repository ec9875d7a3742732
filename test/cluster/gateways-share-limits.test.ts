// Two gateways with one Redis: keys and limits are shared; when it goes away they go on as configured, and count it.
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { post, startGateway, type Harness, type HarnessOptions } from '../support/gateway-harness.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { eventually } from '../support/running-up.js';
import { answerJson, ScriptedEngine } from '../support/scripted-engine.js';

const digest = (key: string): string => createHash('sha256').update(key).digest('hex');
let redis: RedisServer;
let engine: ScriptedEngine;
const open: Harness[] = [];
beforeAll(async () => {
  redis = await startRedis();
  await redis.cli(
    'HSET',
    'infernode:keys',
    digest('a'),
    JSON.stringify({ id: 'a', tenant: 't', requestsPerMinute: 3 }),
  );
  await redis.cli('HSET', 'infernode:keys', digest('b'), JSON.stringify({ id: 'b', tenant: 't' }));
  await redis.cli('HSET', 'infernode:tenants', 't', JSON.stringify({ tokensPerMinute: 1000 }));
  engine = await ScriptedEngine.start(answerJson);
});
afterAll(async () => {
  for (const harness of open) await harness.close();
  await engine.close();
  await redis.close();
});

async function gateway(whenDown: 'local' | 'refuse' = 'local'): Promise<Harness> {
  const sharedStore: HarnessOptions['sharedStore'] = {
    url: redis.url,
    prefix: 'infernode:',
    timeoutMs: 2000,
    whenDown,
  };
  const harness = await startGateway([engine], { keys: { sharedStore: true }, sharedStore });
  open.push(harness);
  return harness;
}
const ask = async (
  harness: Harness,
  key: string,
  maxTokens = 10,
): Promise<{ status: number; code: unknown; message: string }> => {
  const body = { model: 'model', messages: [{ role: 'user', content: 'Hi' }], max_tokens: maxTokens };
  const { status, json } = await post(`${harness.url}/v1/chat/completions`, body, {
    authorization: `Bearer ${key}`,
  });
  return { status, code: json.error?.code, message: json.error?.message ?? '' };
};

test('limits hold over all gateways; the store being away is survived', async () => {
  const [one, two, strict] = [await gateway(), await gateway(), await gateway('refuse')];
  expect((await ask(one, 'nobody')).status).toBe(401);
  expect([(await ask(one, 'a')).status, (await ask(two, 'a')).status, (await ask(one, 'a')).status]).toEqual([
    200, 200, 200,
  ]);
  expect(await ask(two, 'a')).toMatchObject({
    status: 429,
    code: 'rate-limited',
    message: 'the requests per minute of key a are used up',
  });
  // A tenant's tokens: reserved at one gateway, seen at the other, given back after the answer.
  expect((await ask(one, 'b', 950)).status).toBe(200);
  await eventually('the reservation is settled', async () => {
    const left = Number(await redis.cli('HGET', 'infernode:rate:tenant:t', 't'));
    return left > 900;
  });
  expect((await ask(two, 'b', 995)).status).toBe(429);
  expect((await ask(two, 'b', 800)).status).toBe(200);

  await redis.close();
  // Keys are known still; each gateway counts by itself, or refuses what is limited.
  expect((await ask(one, 'a')).status).toBe(200);
  expect(await one.metric('shared_store_failures_total', { operation: 'reserve' })).toBeGreaterThan(0);
  expect(await ask(strict, 'a')).toMatchObject({ status: 503, code: 'keys-unavailable' });
  expect((await ask(one, 'nobody')).status).toBe(401);

  redis = await startRedis(redis.port);
  await eventually('the store is used again', async () => {
    await ask(one, 'b');
    return (await redis.cli('EXISTS', 'infernode:rate:tenant:t')) === '1';
  });
});

test('a gateway that has never reached the store cannot tell anybody apart, and says so', async () => {
  const nowhere = {
    url: 'redis://127.0.0.1:1',
    prefix: 'infernode:',
    timeoutMs: 100,
    whenDown: 'local' as const,
  };
  const harness = await startGateway([engine], { keys: { sharedStore: true }, sharedStore: nowhere });
  open.push(harness);
  expect(await ask(harness, 'a')).toMatchObject({ status: 503, code: 'keys-unavailable' });
});
