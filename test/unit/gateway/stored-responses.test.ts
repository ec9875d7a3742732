// A request that refers to a stored response goes to the engine that has it: after a plain answer and after a stream, by body and by
// path; it waits for that engine, and where that engine is gone the client gets the truth of another one.
import { Registry } from 'prom-client';
import { request } from 'undici';
import { afterEach, expect, test, vi } from 'vitest';
import { ResponsePlaces } from '../../../src/gateway/admission/response-places.js';
import { GatewayMetrics } from '../../../src/gateway/gateway-metrics.js';
import { anEndpoint, post, startGateway, type Answer, type Harness } from '../../support/gateway-harness.js';
import {
  answerError,
  answerJson,
  ScriptedEngine,
  startEvents,
  type EngineCall,
} from '../../support/scripted-engine.js';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

/** Keeps its responses as vLLM does: in its own memory. */
class RememberingEngine {
  readonly kept = new Set<string>();
  readonly server: ScriptedEngine;

  private constructor(server: ScriptedEngine) {
    this.server = server;
    server.script = (call) => this.answer(call);
  }

  static async start(): Promise<RememberingEngine> {
    return new RememberingEngine(await ScriptedEngine.start());
  }

  answer(call: EngineCall): void {
    const { url, method, body } = call;
    const json = (body.length > 0 ? JSON.parse(body.toString()) : {}) as {
      stream?: boolean;
      previous_response_id?: string;
    };
    const wanted = json.previous_response_id ?? /^\/v1\/responses\/([^/]+)/.exec(url)?.[1];
    if (wanted !== undefined && !this.kept.has(wanted))
      return answerError(call, 404, `Response with id '${wanted}' not found.`);
    if (method !== 'POST' || url.endsWith('/cancel')) return answerJson(call, { id: wanted });
    const id = `resp_${this.server.calls.length}_${Math.random().toString(36).slice(2)}`;
    this.kept.add(id);
    // Neither of the other ids is the response's own, and a text that looks like one is no member.
    const response = {
      id,
      previous_response_id: json.previous_response_id,
      output: [{ id: 'msg_1', text: '"id":"resp_x"' }],
    };
    if (json.stream !== true) return answerJson(call, response);
    startEvents(call.response);
    const created = `event: response.created\ndata: ${JSON.stringify({ type: 'response.created', response })}\n\n`;
    const half = created.indexOf(id) + 7;
    call.response.write(created.slice(0, half));
    setImmediate(() =>
      call.response.end(
        `${created.slice(half)}data: {"type":"response.completed","response":{"id":"${id}"}}\n\n`,
      ),
    );
  }
}

async function setUp(count = 3): Promise<{ engines: RememberingEngine[]; harness: Harness }> {
  const engines = await Promise.all(Array.from({ length: count }, () => RememberingEngine.start()));
  const harness = await startGateway(engines.map(({ server }) => server));
  open.push(...engines.map(({ server }) => server), harness);
  return { engines, harness };
}

const ask = (harness: Harness, more: object = {}): Promise<Answer> =>
  post(`${harness.url}/v1/responses`, { model: 'alias', input: 'x', ...more });

function idOf({ text }: Answer): string {
  return /"id":"(resp_\w+)"/.exec(text)![1]!;
}

const followUps = (harness: Harness, response: string): Promise<number> =>
  harness.metric('response_follow_ups_total', { response });

test.each([false, true])('a conversation stays with the engine that has it (stream: %s)', async (stream) => {
  const { harness } = await setUp();
  let answer = await ask(harness, { stream });
  const { 'x-infernode-endpoint': endpoint } = answer.headers;
  for (let turn = 0; turn < 5; turn += 1) {
    await ask(harness);
    answer = await ask(harness, { stream, previous_response_id: idOf(answer) });
    expect([answer.status, answer.headers['x-infernode-endpoint']]).toEqual([200, endpoint]);
  }
  expect(await followUps(harness, 'known')).toBe(5);
  expect(harness.routing.inFlight()).toBe(0);
});

test('by its id it is read, listed, cancelled and deleted where it is, without a word of its model', async () => {
  const { harness } = await setUp();
  const id = idOf(await ask(harness));
  vi.spyOn(harness.routing, 'modelNames').mockReturnValue(['model', 'another']);
  expect((await request(`${harness.url}/v1/responses/resp_stranger`)).statusCode).toBe(400);
  for (const [method, path] of [
    ['GET', ''],
    ['GET', '/input_items?limit=2'],
    ['POST', '/cancel'],
    ['DELETE', ''],
  ] as const) {
    const { statusCode, body } = await request(`${harness.url}/v1/responses/${id}${path}`, { method });
    expect([statusCode, await body.json()]).toEqual([200, { id }]);
  }
});

test('it waits for its engine while others are free, and holds nobody else up', async () => {
  const { engines, harness } = await setUp(2);
  for (const [i, { server }] of engines.entries())
    harness.routing.set(anEndpoint(`node-${i}/engine`, server.url, { maxConcurrent: 1 }));
  const previous_response_id = idOf(await ask(harness));
  const home = engines.findIndex(({ kept }) => kept.has(previous_response_id));
  const { server } = engines[home]!;
  let occupying: EngineCall | null = null;
  server.script = (call) => void (occupying = call);
  harness.routing.placement.useStrategy('least-outstanding');
  const first = [ask(harness), ask(harness)];
  await expect.poll(() => occupying).not.toBeNull();
  await Promise.race(first);
  const followUp = ask(harness, { previous_response_id });
  await expect.poll(() => harness.metric('queued_requests')).toBe(1);
  expect((await ask(harness)).headers['x-infernode-endpoint']).toBe(`node-${1 - home}/engine`);
  server.script = (call) => engines[home]!.answer(call);
  engines[home]!.answer(occupying!);
  const answer = await followUp;
  expect([answer.status, answer.headers['x-infernode-endpoint']]).toEqual([200, `node-${home}/engine`]);
  await Promise.all(first);
});

test('an engine that restarted or takes nothing: any other says that there is no such response', async () => {
  const { engines, harness } = await setUp(2);
  const ids = [idOf(await ask(harness)), idOf(await ask(harness))];
  const homeOf = (id: string): number => engines.findIndex(({ kept }) => kept.has(id));
  harness.routing.cordon(`node-${homeOf(ids[0]!)}/engine`, 'operator:ann');
  expect((await ask(harness, { previous_response_id: ids[0] })).status).toBe(404);
  const other = homeOf(ids[1]!);
  engines[other]!.kept.clear();
  harness.routing.set(anEndpoint(`node-${other}/engine`, engines[other]!.server.url, { incarnation: '2' }));
  expect((await ask(harness, { previous_response_id: ids[1] })).status).toBe(404);
  expect((await ask(harness, { previous_response_id: 'resp_stranger' })).status).toBe(404);
  expect([await followUps(harness, 'gone'), await followUps(harness, 'unknown')]).toEqual([1, 1]);
});

test("its engine's 503 is the answer: elsewhere it would become a 404", async () => {
  const { engines, harness } = await setUp();
  const previous_response_id = idOf(await ask(harness));
  const { server } = engines.find(({ kept }) => kept.has(previous_response_id))!;
  server.script = (call) => answerError(call, 503, 'busy');
  expect((await ask(harness, { previous_response_id })).status).toBe(503);
  expect(await harness.metric('reroutes_total')).toBe(0);
});

test('as many are remembered as may be, those used last', async () => {
  const registry = new Registry();
  const endpoint = anEndpoint('n/e', 'http://127.0.0.1');
  const place = { model: 'model', endpointId: 'n/e', incarnation: '1' };
  const published: string[] = [];
  const places = new ResponsePlaces({
    routing: { endpoint: () => endpoint },
    metrics: new GatewayMetrics(registry),
    publishResponse: (id) => published.push(id),
    maxResponses: 2,
  });
  places.seen('a', place);
  places.observe('b', place);
  expect(places.find('a')).toEqual(place);
  places.seen('c', place);
  expect(['a', 'b', 'c'].map((id) => places.find(id) !== null)).toEqual([true, false, true]);
  expect(published).toEqual(['a', 'c']);
  expect(await registry.metrics()).toContain('infernode_gateway_forgotten_responses_total 1');
});
