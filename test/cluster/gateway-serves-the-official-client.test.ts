// The official OpenAI client, unchanged, through the gateway to scripted engines: streams with tools, aborts, errors.
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/running-up.js';
import { startGateway, type Harness } from '../support/gateway-harness.js';
import {
  answerJson,
  answerStream,
  chunkEvent,
  completion,
  ScriptedEngine,
  startEvents,
} from '../support/scripted-engine.js';

let engine: ScriptedEngine;
let harness: Harness;
let client: OpenAI;
beforeAll(async () => {
  engine = await ScriptedEngine.start();
  harness = await startGateway([engine]);
  client = new OpenAI({ baseURL: `${harness.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await harness.close();
  await engine.close();
});

const messages = [{ role: 'user' as const, content: 'Hello' }];

test('models', async () => {
  expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['model', 'alias']);
  expect((await client.models.retrieve('model')).id).toBe('model');
});

test('a stream with tools', async () => {
  engine.script = answerStream;
  const stream = await client.chat.completions.create({
    model: 'alias',
    messages,
    stream: true,
    tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }],
  });
  let text = '';
  let finish: string | null = null;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    finish = chunk.choices[0]?.finish_reason ?? finish;
  }
  expect([text, finish]).toEqual(['Hello.', 'stop']);
  expect(JSON.parse(engine.calls.at(-1)?.body.toString() ?? '{}')).toMatchObject({
    model: 'model',
    stream: true,
  });
});

test('whole answers: chat, embeddings', async () => {
  engine.script = (call) => answerJson(call);
  expect(await client.chat.completions.create({ model: 'model', messages })).toMatchObject(completion);
  engine.script = (call) =>
    answerJson(call, {
      object: 'list',
      model: 'model',
      data: [{ object: 'embedding', index: 0, embedding: [0.5, 1] }],
      usage: { prompt_tokens: 1, total_tokens: 1 },
    });
  const { data } = await client.embeddings.create({ model: 'model', input: 'x', encoding_format: 'float' });
  expect(data[0]?.embedding).toEqual([0.5, 1]);
});

test('responses, whole and as a stream', async () => {
  const response = {
    id: 'resp_1',
    object: 'response',
    created_at: 1,
    model: 'model',
    status: 'completed',
    output: [
      {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: 'Hello.', annotations: [] }],
      },
    ],
    usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
  };
  engine.script = (call) => answerJson(call, response);
  expect((await client.responses.create({ model: 'alias', input: 'Hello' })).output_text).toBe('Hello.');
  expect(engine.calls.at(-1)?.body.toString()).toBe('{"model":"model","input":"Hello"}');
  await client.responses.create({ model: 'alias', input: 'More', previous_response_id: 'resp_1' });
  expect((await client.responses.retrieve('resp_1')).id).toBe('resp_1');
  expect((await client.responses.cancel('resp_1')).id).toBe('resp_1');
  expect(await harness.metric('response_follow_ups_total', { response: 'known' })).toBe(3);
  engine.script = ({ response: answer }) => {
    startEvents(answer);
    const event = (type: string, rest: object): string =>
      `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
    answer.write(event('response.output_text.delta', { delta: 'Hello.', item_id: 'msg_1', output_index: 0 }));
    answer.end(event('response.completed', { response }));
  };
  const types: string[] = [];
  for await (const { type } of await client.responses.create({ model: 'model', input: 'x', stream: true }))
    types.push(type);
  expect(types).toEqual(['response.output_text.delta', 'response.completed']);
});

test('an abort reaches the engine', async () => {
  engine.script = ({ response }) => {
    startEvents(response);
    response.write(chunkEvent('one'));
  };
  const stream = await client.chat.completions.create({ model: 'model', messages, stream: true });
  for await (const chunk of stream) {
    expect(chunk.choices[0]?.delta.content).toBe('one');
    break;
  }
  await engine.calls.at(-1)?.closed;
  await eventually('lease released', () => harness.routing.inFlight() === 0);
});

test('a stream that is cut throws, with our code', async () => {
  engine.script = ({ response, socket }) => {
    startEvents(response);
    response.write(chunkEvent('one'), () => socket.resetAndDestroy());
  };
  const read = async (): Promise<void> => {
    const stream = await client.chat.completions.create({ model: 'model', messages, stream: true });
    for await (const chunk of stream) expect(chunk.choices[0]?.delta.content).toBe('one');
  };
  await expect(read()).rejects.toMatchObject({ code: 'stream-interrupted' });
});

test('errors are the classes the client knows', async () => {
  await expect(client.chat.completions.create({ model: 'nobody', messages })).rejects.toBeInstanceOf(
    OpenAI.NotFoundError,
  );
});
