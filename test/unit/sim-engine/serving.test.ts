// The HTTP surface: streams and whole answers, errors in vLLM's forms, keys, the official client, aborts by the client.
import { connect } from 'node:net';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { eventually } from '../../support/running-up.js';
import { readStream, startReady } from './running-engine.js';

function rawStatusLine(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    socket.once('data', (data: Buffer) => resolve(data.toString().split('\r\n')[0] ?? ''));
    socket.once('error', reject);
  });
}

const messages = [{ role: 'user', content: 'Tell me about blocks' }];

test('a stream has a role chunk, content, a finish, usage when asked, and [DONE]; one id and time for all', async () => {
  const engine = await startReady();
  const { status, chunks, events, done, finish, text } = await readStream(engine, {
    max_tokens: 8,
    stream_options: { include_usage: true },
  });
  expect({ status, done, finish }).toEqual({ status: 200, done: true, finish: 'length' });
  expect(
    new Set(chunks.map((chunk) => ['id', 'created', 'object'].map((name) => String(chunk[name])).join(' ')))
      .size,
  ).toBe(1);
  expect(chunks[0]).toMatchObject({
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
  });
  expect(chunks.at(-2)).toMatchObject({ choices: [{ finish_reason: 'length', stop_reason: null }] });
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 8 } });
  expect(events.filter((event) => event === '[DONE]')).toHaveLength(1);
  expect(text).toHaveLength(8 * 4);
  expect((await readStream(engine, { max_tokens: 8 })).text).toBe(text);
  expect((await readStream(engine, { max_tokens: 8 })).chunks.every((chunk) => !('usage' in chunk))).toBe(
    true,
  );
  const continuous = await readStream(engine, {
    max_tokens: 3,
    stream_options: { continuous_usage_stats: true },
  });
  expect(continuous.chunks.every((chunk) => 'usage' in chunk)).toBe(true);
});

test('whole answers have the forms of chat and completion', async () => {
  const engine = await startReady();
  const chat = (await (
    await engine.post('/v1/chat/completions', { messages, max_tokens: 5, n: 2 })
  ).json()) as never;
  expect(chat).toMatchObject({
    id: expect.stringMatching(/^chatcmpl-/) as string,
    object: 'chat.completion',
    model: 'chat',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', refusal: null, reasoning: null, tool_calls: [] },
        finish_reason: 'length',
      },
      { index: 1 },
    ],
    usage: { completion_tokens: 10 },
  });
  const completion = (await (
    await engine.post('/v1/completions', { model: 'chat', prompt: 'Once' })
  ).json()) as never;
  expect(completion).toMatchObject({
    id: expect.stringMatching(/^cmpl-/) as string,
    object: 'text_completion',
    choices: [{ index: 0, finish_reason: 'length' }],
    usage: { prompt_tokens: 1, completion_tokens: 16, total_tokens: 17 },
  });
});

test('replies end by themselves, at stop strings and token ids, and not with ignore_eos', async () => {
  const engine = await startReady({ env: { INFERNODE_SIM_TIME_SCALE: '0.01' } });
  const natural = await readStream(engine, {});
  expect(natural.finish).toBe('stop');
  const length = natural.text.length / 4;
  expect(length).toBeGreaterThanOrEqual(32);
  const longer = await readStream(engine, { ignore_eos: true, max_tokens: length + 10 });
  expect(longer.finish).toBe('length');
  expect(longer.text).toHaveLength((length + 10) * 4);
  const word = natural.text.slice(24, 28);
  const stopped = await readStream(engine, { stop: [word] });
  expect(stopped.finish).toBe('stop');
  expect(stopped.text).toBe(natural.text.slice(0, natural.text.indexOf(word)));
  expect(JSON.stringify(stopped.chunks.at(-1))).toContain(`"stop_reason":${JSON.stringify(word)}`);
});

test('a forced tool call comes as tool_calls, whole and streamed', async () => {
  const engine = await startReady();
  const tools = [{ type: 'function', function: { name: 'look_up', parameters: {} } }];
  const body = { messages, tools, tool_choice: 'required', max_tokens: 4 };
  const whole = (await (await engine.post('/v1/chat/completions', body)).json()) as never;
  expect(whole).toMatchObject({
    choices: [
      {
        finish_reason: 'tool_calls',
        message: { content: null, tool_calls: [{ function: { name: 'look_up' } }] },
      },
    ],
  });
  const stream = await readStream(engine, body);
  expect(stream.finish).toBe('tool_calls');
  expect(JSON.stringify(stream.chunks)).toContain('"name":"look_up"');
});

test('errors have vLLM statuses, types and form', async () => {
  const engine = await startReady({ args: ['--max-model-len', '1000'] });
  const answer = async (path: string, body: unknown): Promise<unknown> => {
    const response = await engine.post(path, body);
    return { status: response.status, body: await response.json() };
  };
  expect(await answer('/v1/chat/completions', { model: 'nope', messages })).toEqual({
    status: 404,
    body: {
      error: {
        message: 'The model `nope` does not exist.',
        type: 'NotFoundError',
        param: 'model',
        code: 404,
      },
    },
  });
  expect(await answer('/v1/completions', { prompt: 'long '.repeat(1000) })).toMatchObject({
    status: 400,
    body: {
      error: {
        type: 'BadRequestError',
        code: 400,
        message: expect.stringContaining('1000 tokens') as string,
      },
    },
  });
  expect(await answer('/v1/completions', '{"prompt": ')).toMatchObject({
    status: 400,
    body: { error: { type: 'Bad Request' } },
  });
  expect(await answer('/v1/completions', { model: 'chat' })).toMatchObject({ status: 400 });
  expect(await answer('/v1/completions', { prompt: 'x', max_tokens: 5000 })).toMatchObject({ status: 400 });
  expect(await answer('/v1/completions', { prompt: 'x', temperature: -1 })).toMatchObject({ status: 400 });
  expect(await answer('/v1/embeddings', { input: 'x' })).toMatchObject({
    status: 404,
    body: { error: { type: 'Not Found' } },
  });
  expect(await answer('/v1/nothing', {})).toMatchObject({ status: 404 });
  expect((await fetch(`${engine.url}/v1/chat/completions`)).status).toBe(405);
  // Nothing that a client sends ends the server, and a late answer loses no body.
  for (const odd of [
    { messages: [{ role: 'user', content: [null, 5] }] },
    { messages: [null] },
    { prompt: [[], [[1]]] },
  ])
    expect((await engine.post('/v1/chat/completions', odd)).status).toBeLessThan(501);
  expect(
    await rawStatusLine(engine.port, 'GET // HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'),
  ).toContain('404');
  await engine.fault('answer-delay', { ms: 20 });
  expect(await answer('/v1/completions', { prompt: 'x', max_tokens: 1 })).toMatchObject({ status: 200 });
});

test('releases before 0.10.1 send the error without its wrapper', async () => {
  const engine = await startReady({ env: { INFERNODE_SIM_VLLM_VERSION: '0.9.2' } });
  const response = await engine.post('/v1/completions', { model: 'nope', prompt: 'x' });
  expect(await response.json()).toMatchObject({ object: 'error', type: 'NotFoundError', code: 404 });
});

test('a key guards /v1 only and its refusal carries a string', async () => {
  const engine = await startReady({ env: { VLLM_API_KEY: 'secret' } });
  const refused = await fetch(`${engine.url}/v1/models`);
  expect({ status: refused.status, body: await refused.json() }).toEqual({
    status: 401,
    body: { error: 'Unauthorized' },
  });
  const allowed = await fetch(`${engine.url}/v1/models`, { headers: { authorization: 'Bearer secret' } });
  expect(allowed.status).toBe(200);
  for (const path of ['/health', '/metrics', '/version'])
    expect((await fetch(engine.url + path)).status).toBe(200);
});

test('plain endpoints, request ids and token counts', async () => {
  const engine = await startReady({ args: ['--enable-request-id-headers'] });
  expect(await (await fetch(`${engine.url}/version`)).json()).toEqual({ version: '0.26.0' });
  expect(await (await fetch(`${engine.url}/load`)).json()).toEqual({ server_load: 0 });
  expect((await engine.post('/ping', {})).status).toBe(200);
  const models = (await (await fetch(`${engine.url}/v1/models`)).json()) as never;
  expect(models).toMatchObject({
    object: 'list',
    data: [{ id: 'chat', owned_by: 'vllm', root: 'demo/llama-8b' }],
  });
  const response = await engine.post('/v1/completions', { prompt: 'x' }, { 'x-request-id': 'my-id' });
  expect(response.headers.get('x-request-id')).toBe('my-id');
  expect(await response.json()).toMatchObject({ id: 'cmpl-my-id' });
  const tokens = (await (
    await engine.post('/tokenize', { prompt: 'abcdefgh!', return_token_strs: true })
  ).json()) as {
    tokens: number[];
  };
  expect(tokens).toMatchObject({ count: 3, token_strs: ['abcd', 'efgh', '!'] });
  expect(await (await engine.post('/detokenize', { tokens: tokens.tokens })).json()).toEqual({
    prompt: 'abcdefgh!',
  });
});

test('the official client streams, lists, embeds and aborts', async () => {
  const engine = await startReady({ env: { INFERNODE_SIM_TASKS: 'generate,embed' } });
  const client = new OpenAI({ baseURL: `${engine.url}/v1`, apiKey: 'none', maxRetries: 0 });
  expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['chat']);
  const stream = await client.chat.completions.create({
    model: 'chat',
    messages: [{ role: 'user', content: 'hello' }],
    max_tokens: 6,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = '';
  let total = 0;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    total = chunk.usage?.completion_tokens ?? total;
  }
  expect({ length: text.length, total }).toEqual({ length: 24, total: 6 });
  const embedding = await client.embeddings.create({ model: 'chat', input: ['a', 'b'] });
  expect(embedding.data).toHaveLength(2);
  expect(embedding.data[0]?.embedding).toHaveLength(64);

  const long = await client.chat.completions.create({
    model: 'chat',
    messages: [{ role: 'user', content: 'hello' }],
    max_tokens: 100_000,
    stream: true,
  });
  await long[Symbol.asyncIterator]().next();
  long.controller.abort();
  await eventually(
    'abort counted',
    async () => (await engine.metric('vllm:request_success_total{engine="0",finished_reason="abort"')) === 1,
  );
  await eventually('nothing runs', async () => (await engine.metric('vllm:num_requests_running')) === 0);
});

test('a client that leaves during a silent prefill ends its request too', async () => {
  const engine = await startReady();
  await engine.fault('hold');
  const aborter = new AbortController();
  const gone = fetch(`${engine.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'x' }),
    signal: aborter.signal,
  }).catch(() => null);
  await eventually('arrived', async () => {
    const response = await fetch(`${engine.url}/sim/state`);
    return ((await response.json()) as { open: number }).open === 1;
  });
  aborter.abort();
  await gone;
  await eventually(
    'aborted',
    async () => (await engine.metric('vllm:request_success_total{engine="0",finished_reason="abort"')) === 1,
  );
});

test('fifty streams at once all end well', async () => {
  const engine = await startReady({ env: { INFERNODE_SIM_TIME_SCALE: '0.05' } });
  const results = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      readStream(engine, {
        messages: [{ role: 'user', content: `n${i}` }],
        max_tokens: 30,
        ignore_eos: true,
      }),
    ),
  );
  for (const { done, finish, text } of results)
    expect({ done, finish, length: text.length }).toEqual({ done: true, finish: 'length', length: 120 });
});
