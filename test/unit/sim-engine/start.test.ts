// The start: bound early and listening late, phases in order, memory registered by the right processes, refusals.
import { expect, test } from 'vitest';
import { createServer } from 'node:net';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../support/running-up.js';
import { fakeNode, freePort, isAlive, scratchDirectory, startEngine, startReady } from './running-engine.js';

const phases = [
  'vLLM server version',
  'non-default args:',
  'Initializing a V1 LLM engine (v',
  'backend=nccl',
  'Starting to load model',
  'Loading weights took',
  'Model loading took',
  "for vLLM's torch.compile",
  'Dynamo bytecode transform time:',
  'torch.compile took',
  'Available KV cache memory:',
  'GPU KV cache size:',
  'Graph capturing finished in',
  'init engine (profile, create kv cache, warmup model) took',
  'Supported tasks:',
  'Starting vLLM server on http://',
  'Available routes are:',
  'Application startup complete.',
];

test('phases are logged in order, progress bars go to stderr with carriage returns', async () => {
  const engine = await startReady({ args: ['-tp', '2'] });
  let at = 0;
  for (const phase of phases) {
    const found = engine.stdout().indexOf(phase, at);
    expect(found, phase).toBeGreaterThanOrEqual(at);
    at = found;
  }
  expect(engine.stdout()).toMatch(
    /^\(APIServer pid=\d+\) INFO \d\d-\d\d \d\d:\d\d:\d\d \[[\w.]+:\d+\] vLLM/m,
  );
  expect(engine.stdout()).toMatch(/^\(Worker_TP0 pid=\d+\) INFO .* Starting to load model/m);
  expect(engine.stderr()).toMatch(
    /\r\(Worker_TP0 pid=\d+\) Loading safetensors checkpoint shards: 100% Completed \| 2\/2/,
  );
  expect(engine.stderr()).toContain('Capturing CUDA graphs (FULL): 100%');
});

test('older releases have their own lines and process names', async () => {
  const engine = await startReady({ env: { INFERNODE_SIM_VLLM_VERSION: '0.10.2' } });
  expect(engine.stdout()).toContain('vLLM API server version 0.10.2');
  expect(engine.stdout()).toMatch(/\(EngineCore_DP0 pid=\d+\)/);
  const size =
    engine
      .stdout()
      .split('\n')
      .find((line) => line.includes('GPU KV cache size')) ?? '';
  expect(size).not.toContain('Maximum concurrency');
  expect(engine.stdout()).toContain('Maximum concurrency for');
});

test('the port is taken but refuses connections until the engine is ready', async () => {
  const engine = await startEngine({ env: { INFERNODE_SIM_LOAD_MS: '20000' } });
  await eventually('loading', () => engine.stdout().includes('Starting to load model'));
  await expect(fetch(`${engine.url}/health`)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
  const blocked = createServer();
  const error = await new Promise((resolve) => {
    blocked.once('error', resolve);
    blocked.listen(engine.port, '127.0.0.1', () => blocked.close(() => resolve(null)));
  });
  // A listener may still come first; it is the engine that then fails late.
  if (error !== null) expect(error).toMatchObject({ code: 'EADDRINUSE' });
  await engine.ready();
});

test('a port with a listener ends the start at once, exit code 1', async () => {
  const port = await freePort();
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve));
  const engine = await startEngine({ port });
  expect(await engine.exited).toMatchObject({ code: 1 });
  expect(engine.stderr()).toContain('OSError: [Errno 98] Address already in use');
  expect(engine.stdout()).not.toContain('Starting to load model');
  taken.close();
});

test('of two servers that load at the same time on one port the later one fails after its whole load', async () => {
  const port = await freePort();
  const first = await startEngine({ port });
  const second = await startEngine({ port, env: { INFERNODE_SIM_LOAD_MS: '6000' } });
  await first.ready();
  expect(await second.exited).toMatchObject({ code: 1 });
  expect(second.stdout()).toContain('Starting vLLM server on');
  expect(second.stderr()).toContain('Address already in use');
  expect((await fetch(`${first.url}/health`)).status).toBe(200);
});

test('GPU memory belongs to the core of one GPU, to the workers of several, never to the server', async () => {
  const node = fakeNode(3);
  const env = { INFERNODE_SIM_NODE_DIR: node.directory };
  const one = await startReady({ env: { ...env, CUDA_VISIBLE_DEVICES: node.uuids[0] ?? '' } });
  const [holder] = node.holders();
  expect(node.holders()).toHaveLength(1);
  expect(holder).toMatchObject({ name: 'VLLM::EngineCore', devices: [{ uuid: node.uuids[0] }] });
  expect(holder?.devices[0]?.bytes).toBeGreaterThan(70e9);
  expect(holder?.pid).not.toBe(one.pid);
  expect(readFileSync(`/proc/${holder?.pid}/comm`, 'utf8').trim()).toBe('VLLM::EngineCor');

  await startReady({
    args: ['-tp', '2'],
    env: { ...env, CUDA_VISIBLE_DEVICES: node.uuids.slice(1).join(',') },
  });
  const workers = node.holders().filter(({ name }) => name.startsWith('VLLM::Worker_TP'));
  expect(workers.map(({ name, devices }) => [name, devices[0]?.uuid]).sort()).toEqual([
    ['VLLM::Worker_TP0', node.uuids[1]],
    ['VLLM::Worker_TP1', node.uuids[2]],
  ]);
});

test('memory held by another process refuses the start with exit code 1; a killed server leaves such holders', async () => {
  const node = fakeNode(1);
  const env = { INFERNODE_SIM_NODE_DIR: node.directory, CUDA_VISIBLE_DEVICES: node.uuids[0] ?? '' };
  const first = await startReady({ env });
  const core = node.holders()[0]?.pid ?? 0;
  process.kill(first.pid, 'SIGKILL');
  await first.exited;
  expect(isAlive(core)).toBe(true);

  const second = await startEngine({ env, port: first.port });
  expect(await second.exited).toMatchObject({ code: 1 });
  expect(second.stdout()).toMatch(
    /ValueError: Free memory on device cuda:0 \(\d+\.\d+\/79\.65 GiB\) on startup is less than desired GPU memory utilization \(0\.92, 73\.\d+ GiB\)/,
  );
  expect(second.stderr()).toContain('Engine core initialization failed. See root cause above.');

  process.kill(core, 'SIGTERM');
  await eventually('the orphan is gone', () => !isAlive(core));
  await startReady({ env, port: first.port });
});

test('configurations that cannot fit are refused in vLLM words', async () => {
  const node = fakeNode(1);
  const env = { INFERNODE_SIM_NODE_DIR: node.directory };
  const big = await startEngine({ env, model: 'demo/llama-70b' });
  expect(await big.exited).toMatchObject({ code: 1 });
  expect(big.stdout()).toContain('No available memory for the cache blocks');
  const long = await startEngine({ env, args: ['--max-model-len', '1M'] });
  expect(await long.exited).toMatchObject({ code: 1 });
  expect(long.stdout()).toContain("To serve at least one request with the model's max seq len (1048576)");
  const wide = await startEngine({ env, args: ['-tp', '2'] });
  expect(await wide.exited).toMatchObject({ code: 1 });
  expect(wide.stdout()).toContain('larger than the number of available GPUs (1)');
});

test('SIGTERM while loading ends the start and its children', async () => {
  const engine = await startEngine({ env: { INFERNODE_SIM_LOAD_MS: '600000' } });
  const pid = Number(await eventually('core', () => /EngineCore pid=(\d+)\)/.exec(engine.stdout())?.[1]));
  engine.child.kill('SIGTERM');
  expect(await engine.exited).toMatchObject({ code: 1 });
  expect(engine.stderr()).toContain('KeyboardInterrupt');
  await eventually('core gone', () => !isAlive(pid));
});

test('an absent compile cache makes a cold start, a present one a warm start, a damaged one a failure', async () => {
  const env = { VLLM_CACHE_ROOT: scratchDirectory() };
  const cold = await startReady({ env });
  expect(cold.stdout()).toContain('Compiling a graph for compile range');
  const warm = await startReady({ env });
  expect(warm.stdout()).toContain('Directly load the compiled graph(s)');
  expect(await warm.fault('compile-cache')).toBe(200);
  const broken = await startEngine({ env });
  expect(await broken.exited).toMatchObject({ code: 1 });
  expect(broken.stdout()).toContain('vLLM failed to compile the model');
  expect(join(env.VLLM_CACHE_ROOT, 'torch_compile_cache')).toBeTruthy();
});
