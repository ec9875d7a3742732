// Steps up and down with the queue: what they do to requests, byte for byte, and that they are undone in order.
import { Registry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import { Degradation, type DegradationStep } from '../../../src/gateway/admission/degradation.js';
import { FewEngines } from '../../../src/gateway/admission/few-engines.js';
import { GatewayMetrics } from '../../../src/gateway/gateway-metrics.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { anEndpoint, FakeRouting, post, startGateway, type Harness } from '../../support/gateway-harness.js';
import { ManualClock } from '../../support/manual-clock.js';
import { eventually } from '../../support/running-up.js';
import { answerJson, ScriptedEngine } from '../../support/scripted-engine.js';

const steps: DegradationStep[] = [
  { name: 'short-answers', queueAbove: 100, queueBelow: 50, holdMs: 1000, maxTokens: 512 },
  { name: 'shed-low', queueAbove: 200, queueBelow: 100, holdMs: 1000, shed: 'low' },
];

test('steps are climbed with the queue and undone in the opposite order, each after a quiet time', async () => {
  const clock = new ManualClock();
  const registry = new Registry();
  const metrics = new GatewayMetrics(registry);
  const degradation = new Degradation(() => steps, { clock, logger: silentLogger(), metrics });
  const names = (waiting: number): string => degradation.of('m', waiting, 'medium').names;
  expect(names(100)).toBe('');
  expect(names(101)).toBe('short-answers');
  expect(degradation.of('m', 101, 'low').sheds).toBe(false);
  expect(names(201)).toBe('short-answers,shed-low');
  expect(degradation.of('m', 201, 'low')).toEqual({
    names: 'short-answers,shed-low',
    maxTokens: 512,
    sheds: true,
  });
  expect(degradation.of('m', 201, 'medium').sheds).toBe(false);
  expect(degradation.of('other', 0, 'low').names).toBe('');
  expect(names(99)).toBe('short-answers,shed-low');
  clock.advance(999);
  // Back above the lower limit: the quiet time begins anew.
  expect(names(120)).toBe('short-answers,shed-low');
  expect(names(0)).toBe('short-answers,shed-low');
  clock.advance(1000);
  expect(names(0)).toBe('short-answers');
  expect(await registry.metrics()).toContain('infernode_gateway_degraded{model="m",step="short-answers"} 1');
  degradation.settle(() => 0, new Set());
  clock.advance(1000);
  degradation.settle(() => 0, new Set());
  expect(names(0)).toBe('');
  expect(await registry.metrics()).not.toContain('infernode_gateway_degraded{');
});

test('a queue in an engine, by its agent’s word, is a case for the first step only', () => {
  const clock = new ManualClock();
  const metrics = new GatewayMetrics(new Registry());
  const degradation = new Degradation(() => steps, { clock, logger: silentLogger(), metrics });
  const names = (model: string): string => degradation.of(model, 0, 'medium').names;
  degradation.settle(() => 0, new Set(['m']));
  expect([names('m'), names('other')]).toEqual(['short-answers', '']);
  clock.advance(60_000);
  expect(names('m')).toBe('short-answers');
  degradation.settle(() => 0, new Set());
  clock.advance(1000);
  degradation.settle(() => 0, new Set());
  expect(names('m')).toBe('');
});

test('an engine under queue pressure shortens the answers of its model', async () => {
  const engine = await ScriptedEngine.start();
  const first = { name: 'short', queueAbove: 100, queueBelow: 50, holdMs: 60_000, maxTokens: 512 };
  const harness = await startGateway([engine], { degradation: { steps: [first] } });
  open.push(engine, harness);
  engine.script = (call) => answerJson(call);
  harness.routing.set(anEndpoint('node-0/engine', engine.url, { pressure: ['queue'] }));
  const answer = await eventually('it is degraded', async () => {
    const { headers } = await post(`${harness.url}/v1/chat/completions`);
    return headers['x-infernode-degraded'] === undefined ? null : headers;
  });
  expect(answer['x-infernode-degraded']).toBe('short');
});

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

/** One request at the only place, one that waits: the queue stands above 0. */
async function degraded(
  shed = false,
): Promise<{ engine: ScriptedEngine; harness: Harness; relieve: () => void }> {
  const engine = await ScriptedEngine.start();
  const harness = await startGateway([engine], {
    degradation: {
      steps: [
        {
          name: 'short',
          queueAbove: 0,
          queueBelow: 1,
          holdMs: 60_000,
          maxTokens: 512,
          ...(shed ? { shed: 'low' as const } : {}),
        },
      ],
    },
  });
  open.push(engine, harness);
  harness.routing.set(anEndpoint('node-0/engine', engine.url, { maxConcurrent: 1 }));
  const url = `${harness.url}/v1/chat/completions`;
  const first = post(url);
  const blocking = await engine.nextCall();
  const second = post(url);
  await eventually('one waits', async () => (await harness.metric('queued_requests')) === 1);
  engine.script = (call) => answerJson(call);
  return {
    engine,
    harness,
    relieve: () => {
      answerJson(blocking);
      open.push({ close: async () => void (await Promise.all([first, second])) });
    },
  };
}

test.each([
  ['chat/completions', '"max_tokens" : 2048 ', '"max_tokens" : 512 '],
  ['chat/completions', '"max_completion_tokens":1e3', '"max_completion_tokens":512'],
  ['chat/completions', '"max_tokens":100', '"max_tokens":100'],
  ['responses', '"max_output_tokens":4096', '"max_output_tokens":512'],
])('%s: of %s only the value changes', async (path, before, after) => {
  const { engine, harness, relieve } = await degraded();
  const rest = (limit: string): string =>
    `{ "model":"model","seed":123456789012345678901234567890,"x":-0, "a":{"max_tokens":9999},${limit},"messages":[],"input":"x" }`;
  const answer = post(`${harness.url}/v1/${path}`, rest(before));
  await eventually('it waits as well', async () => (await harness.metric('queued_requests')) === 2);
  relieve();
  expect((await answer).headers['x-infernode-degraded']).toBe('short');
  expect(engine.calls.at(-1)?.body.toString()).toBe(rest(after));
});

test('a request without a limit gets one; embeddings have none', async () => {
  const { engine, harness, relieve } = await degraded();
  const chat = post(`${harness.url}/v1/chat/completions`, '{ "model":"model","messages":[]}');
  await eventually('it waits', async () => (await harness.metric('queued_requests')) === 2);
  const embedding = post(`${harness.url}/v1/embeddings`, '{"model":"model","input":"x"}');
  await eventually('it waits', async () => (await harness.metric('queued_requests')) === 3);
  relieve();
  await Promise.all([chat, embedding]);
  expect(engine.calls.slice(-2).map(({ body }) => body.toString())).toEqual([
    '{"max_tokens":512, "model":"model","messages":[]}',
    '{"model":"model","input":"x"}',
  ]);
});

test('the least urgent are refused while it lasts, and told why', async () => {
  const { harness, relieve } = await degraded(true);
  const answer = await post(`${harness.url}/v1/chat/completions`, undefined, {
    'x-infernode-priority': 'low',
  });
  expect([answer.status, answer.json.error?.code, answer.headers['x-infernode-degraded']]).toEqual([
    429,
    'queue-full',
    'short',
  ]);
  expect(answer.headers['retry-after']).toBe('1');
  relieve();
});

test('too few engines are said at once, requests wait longer for them, and it is over after a quiet time', async () => {
  const clock = new ManualClock();
  const registry = new Registry();
  const metrics = new GatewayMetrics(registry);
  const routing = new FakeRouting();
  routing.least = 2;
  const few = new FewEngines({
    ...{ routing, clock, metrics, logger: silentLogger() },
    limits: () => ({ queueTimeoutMs: 30_000, holdMs: 5000 }),
  });
  const holdsAfter = (ms: number): boolean => {
    clock.advance(ms);
    few.look();
    return few.holds(routing.placement);
  };
  for (const id of ['a', 'b', 'c']) routing.set(anEndpoint(id, 'http://127.0.0.1:1'));
  expect(holdsAfter(1000)).toBe(false);
  routing.cordon('a', 'operator:x');
  expect(holdsAfter(1000)).toBe(false);
  expect(few.patienceMs(routing.placement)).toBeNull();
  routing.set(anEndpoint('b', 'http://127.0.0.1:1', { engineState: 'failed' }));
  expect(holdsAfter(1000)).toBe(true);
  expect(few.patienceMs(routing.placement)).toBe(30_000);
  expect(await registry.metrics()).toContain(
    'infernode_gateway_degraded{model="model",step="few-engines"} 1',
  );
  routing.set(anEndpoint('b', 'http://127.0.0.1:1'));
  expect(holdsAfter(1000)).toBe(true);
  expect(holdsAfter(4999)).toBe(true);
  // A crash loop: the quiet time begins anew.
  routing.set(anEndpoint('b', 'http://127.0.0.1:1', { engineState: 'failed' }));
  expect(holdsAfter(1000)).toBe(true);
  routing.set(anEndpoint('b', 'http://127.0.0.1:1'));
  expect([holdsAfter(1000), holdsAfter(4999), holdsAfter(1)]).toEqual([true, true, false]);
  expect(await registry.metrics()).not.toContain('infernode_gateway_degraded{');
});

test('the last engine dies: the next requests wait for another, longer than a queue would let them', async () => {
  const engine = await ScriptedEngine.start();
  const harness = await startGateway([engine], {
    limits: { queueTimeoutMs: 1 },
    degradation: { steps: [], fewEngines: { queueTimeoutMs: 60_000, holdMs: 60_000 } },
  });
  open.push(engine, harness);
  harness.routing.least = 1;
  const url = `${harness.url}/v1/chat/completions`;
  harness.routing.evict('node-0/engine', 'its GPU is gone');
  const answers = [post(url), post(url)];
  await eventually('both wait', async () => (await harness.metric('queued_requests')) === 2);
  engine.script = (call) => answerJson(call);
  harness.routing.set(anEndpoint('node-1/engine', engine.url));
  for (const { status, headers } of await Promise.all(answers))
    expect([status, headers['x-infernode-degraded']]).toEqual([200, 'few-engines']);
});
