// Sleep, pause and adapters: only where switched on, with the memory and the waiting that go with them.
import { expect, test } from 'vitest';
import { eventually } from '../../support/running-up.js';
import { fakeNode, readStream, startReady } from './running-engine.js';

test('without developer mode the endpoints do not exist', async () => {
  const engine = await startReady();
  expect((await engine.post('/sleep', {})).status).toBe(404);
  expect((await engine.post('/v1/load_lora_adapter', { lora_name: 'a', lora_path: 'b' })).status).toBe(404);
});

test('sleep gives memory back and holds requests until everything is awake; waking starts with an empty cache', async () => {
  const node = fakeNode(1);
  const env = { VLLM_SERVER_DEV_MODE: '1', INFERNODE_SIM_NODE_DIR: node.directory };
  const engine = await startReady({ args: ['--enable-sleep-mode'], env });
  const held = (): number => node.holders()[0]?.devices[0]?.bytes ?? 0;
  const full = held();
  const messages = [{ role: 'user', content: 'word '.repeat(100) }];
  await readStream(engine, { messages, max_tokens: 2 });
  expect((await engine.post('/sleep?level=1', {})).status).toBe(200);
  expect(await (await fetch(`${engine.url}/is_sleeping`)).json()).toEqual({ is_sleeping: true });
  await eventually('memory given back', () => held() < full / 10);
  expect(
    await engine.metric(
      'vllm:engine_sleep_state{engine="0",model_name="chat",sleep_state="weights_offloaded"}',
    ),
  ).toBe(1);
  expect((await fetch(`${engine.url}/health`)).status).toBe(200);

  let answered = false;
  const waiting = readStream(engine, { messages, max_tokens: 2 }).finally(() => (answered = true));
  await engine.post('/wake_up?tags=weights', {});
  expect(await (await fetch(`${engine.url}/is_sleeping`)).json()).toEqual({ is_sleeping: true });
  expect(answered).toBe(false);
  await engine.post('/wake_up?tags=kv_cache', {});
  expect((await waiting).finish).toBe('length');
  expect(await engine.metric('vllm:prefix_cache_hits_total')).toBe(0);
  await eventually('memory taken again', () => held() === full);
});

test('sleep needs its flag; pause and resume; the cache can be reset while nothing uses it', async () => {
  const engine = await startReady({ env: { VLLM_SERVER_DEV_MODE: '1' } });
  expect((await engine.post('/sleep?level=1', {})).status).toBe(500);
  expect(await (await engine.post('/pause', {})).json()).toEqual({ status: 'paused' });
  expect(await (await fetch(`${engine.url}/is_paused`)).json()).toEqual({ is_paused: true });
  const waiting = readStream(engine, { max_tokens: 2 });
  expect(await (await engine.post('/resume', {})).json()).toEqual({ status: 'resumed' });
  expect((await waiting).finish).toBe('length');
  expect(await (await engine.post('/reset_prefix_cache', {})).json()).toEqual({ success: true });
});

test('adapters are listed with their parent, loaded and unloaded', async () => {
  const engine = await startReady({
    args: ['--enable-lora', '--lora-modules', 'sql=adapters/sql'],
    env: { VLLM_ALLOW_RUNTIME_LORA_UPDATING: '1' },
  });
  const load = await engine.post('/v1/load_lora_adapter', { lora_name: 'tone', lora_path: 'adapters/tone' });
  expect(await load.text()).toBe("Success: LoRA adapter 'tone' added successfully.");
  expect((await engine.post('/v1/load_lora_adapter', { lora_name: 'tone', lora_path: 'x' })).status).toBe(
    400,
  );
  const models = (await (await fetch(`${engine.url}/v1/models`)).json()) as {
    data: { id: string; parent: string | null }[];
  };
  expect(models.data.map(({ id, parent }) => [id, parent])).toEqual([
    ['chat', null],
    ['sql', 'chat'],
    ['tone', 'chat'],
  ]);
  expect((await readStream(engine, { model: 'tone', max_tokens: 2 })).finish).toBe('length');
  expect((await engine.post('/v1/unload_lora_adapter', { lora_name: 'tone' })).status).toBe(200);
  expect((await readStream(engine, { model: 'tone' })).status).toBe(404);
});
