// The main job: `infernode up` on a machine without a GPU serves the official OpenAI client, streaming, through gateway,
// coordinator, agent, keeper and engine; other commands find it; Ctrl-C leaves no process behind.
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { processesOf, startUp, type RunningUp } from '../support/running-up.js';

let up: RunningUp;
beforeAll(async () => {
  up = await startUp();
}, 120_000);
afterAll(() => (up.child.exitCode === null ? up.interrupt() : null));

test('the ready line names two nodes with two engines each on devices of their own', () => {
  const { agents, engines, gateway } = up.ready;
  expect(gateway).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect(agents.map((agent) => agent.node)).toEqual(['node-0', 'node-1']);
  expect(engines.map(({ node, id }) => `${node}/${id}`)).toEqual([
    'node-0/engine-0',
    'node-0/engine-1',
    'node-1/engine-0',
    'node-1/engine-1',
  ]);
  const devices = engines.flatMap((engine) => engine.devices);
  expect(new Set(devices).size).toBe(8);
  expect(devices.every((uuid) => uuid.startsWith('GPU-'))).toBe(true);
});

test('the official client lists models and streams a completion to its end', async () => {
  const client = new OpenAI({ baseURL: `${up.ready.gateway}/v1`, apiKey: 'none', maxRetries: 0 });
  const models = await client.models.list();
  expect(models.data.map(({ id }) => id)).toContain('chat');
  const stream = await client.chat.completions.create({
    model: 'chat',
    messages: [{ role: 'user', content: 'Say something about GPUs' }],
    max_tokens: 16,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = '';
  let finish: string | null = null;
  let completionTokens = 0;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    finish = chunk.choices[0]?.finish_reason ?? finish;
    completionTokens = chunk.usage?.completion_tokens ?? completionTokens;
  }
  expect(text.length).toBeGreaterThan(0);
  expect(finish).toBe('length');
  expect(completionTokens).toBe(16);
});

test('a plain completion and an embedding request get answers of the right form', async () => {
  const client = new OpenAI({ baseURL: `${up.ready.gateway}/v1`, apiKey: 'none', maxRetries: 0 });
  const completion = await client.completions.create({ model: 'chat', prompt: 'Once', max_tokens: 4 });
  expect(completion.choices[0]?.text).toBeTruthy();
  await expect(
    client.chat.completions.create({ model: 'no-such-model', messages: [{ role: 'user', content: 'x' }] }),
  ).rejects.toMatchObject({ status: 404 });
});

test('status finds the running cluster and shows nodes, devices and engines', async () => {
  const { code, stdout } = await up.infernode('status');
  expect(code).toBe(0);
  for (const word of ['node-0', 'node-1', 'engine-1', 'ready', 'healthy', 'H100'])
    expect(stdout).toContain(word);
  const json = JSON.parse((await up.infernode('status', '--json')).stdout) as { nodes: { node: string }[] };
  expect(json.nodes.map(({ node }) => node)).toEqual(['node-0', 'node-1']);
});

test('Ctrl-C ends everything and leaves no process', async () => {
  expect(await up.interrupt()).toBe(0);
  expect(processesOf(up.directory)).toEqual([]);
});
