// Failures: a hung engine, a dead one, killed processes, signals. Each test is one line of the contract.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { eventually } from '../../support/running-up.js';
import {
  fakeNode,
  isAlive,
  readStream,
  startEngine,
  startReady,
  type RunningEngine,
} from './running-engine.js';

const long = { max_tokens: 100_000, ignore_eos: true };

async function running(engine: RunningEngine, count = 1): Promise<void> {
  await eventually('requests running', async () => (await state(engine)).running === count);
}

async function state(engine: RunningEngine): Promise<{ open: number; running: number; hung: boolean }> {
  return (await (await fetch(`${engine.url}/sim/state`)).json()) as never;
}

const steps = 'vllm:iteration_tokens_total_count';

test('a hung engine: health 200, metrics frozen, no answers, aborts unread, warnings with workers', async () => {
  const env = { INFERNODE_SIM_TIME_SCALE: '0.01', VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS: '1000000' };
  const engine = await startReady({ args: ['-tp', '2'], env });
  await readStream(engine, { max_tokens: 4 });
  await engine.fault('hang');
  const before = await engine.metric(steps);
  const aborter = new AbortController();
  const unanswered = fetch(`${engine.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'x' }),
    signal: aborter.signal,
  }).then(
    () => 'answered',
    () => 'aborted',
  );
  await eventually('two warnings of the core', () => {
    const found = engine
      .stdout()
      .match(/\(EngineCore pid=\d+\).*No available shared memory broadcast block found in 60 seconds/g);
    return (found?.length ?? 0) >= 2;
  });
  expect((await fetch(`${engine.url}/health`)).status).toBe(200);
  expect(await engine.metric(steps)).toBe(before);
  aborter.abort();
  expect(await unanswered).toBe('aborted');
  expect((await state(engine)).open).toBe(1);
  await engine.fault('unhang');
  await eventually('the abort is read', async () => (await state(engine)).open === 0);
});

test('with workers a step of 300 s kills the engine', async () => {
  const env = { VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS: '2' };
  const engine = await startReady({ args: ['-tp', '2'], env });
  await engine.fault('hang');
  expect(await engine.exited).toMatchObject({ code: 0 });
  expect(engine.stdout()).toContain('RPC call to execute_model timed out');
});

test('SIGTERM to a hung engine ends it by force, with its children', async () => {
  const engine = await startReady({ args: ['-tp', '2'] });
  const pids = childPids(engine);
  await engine.fault('hang');
  engine.child.kill('SIGTERM');
  expect(await engine.exited).toMatchObject({ code: 0 });
  expect(engine.stdout()).toContain('[shutdown] API server: force killing');
  await eventually('children gone', () => pids.every((pid) => !isAlive(pid)));
});

test('a dead engine: streams get an error event and [DONE], health 503, calls 500, then exit code 0', async () => {
  const engine = await startReady({ env: { INFERNODE_SIM_TIME_SCALE: '1', INFERNODE_SIM_LOAD_MS: '100' } });
  const pids = childPids(engine);
  const stream = readStream(engine, long);
  const whole = engine.post('/v1/completions', { prompt: 'x', ...long });
  await running(engine, 2);
  await engine.fault('die');
  const { status, chunks, done } = await stream;
  expect({ status, done }).toEqual({ status: 200, done: true });
  expect(chunks.at(-1)).toMatchObject({ error: { type: 'InternalServerError', code: 500 } });
  expect((await whole).status).toBe(500);
  expect((await fetch(`${engine.url}/health`)).status).toBe(503);
  const refused = await engine.post('/v1/completions', { prompt: 'x' });
  expect(refused.status).toBe(500);
  expect(JSON.stringify(await refused.json())).toContain('EngineCore encountered an issue');
  expect((await fetch(`${engine.url}/metrics`)).status).toBe(200);
  expect(await engine.exited).toMatchObject({ code: 0 });
  for (const text of [
    'EngineCore encountered a fatal error.',
    'AsyncLLM output_handler failed.',
    'EngineDeadError',
  ])
    expect(engine.stdout()).toContain(text);
  await eventually('children gone', () => pids.every((pid) => !isAlive(pid)));
});

test.each([
  ['oom', 'torch.OutOfMemoryError: CUDA out of memory'],
  ['cuda-error', 'CUDA error: an illegal memory access'],
  ['nccl', 'NCCL error'],
])('%s kills the engine with its own traceback', async (fault, text) => {
  const engine = await startReady();
  await engine.fault(fault);
  expect(await engine.exited).toMatchObject({ code: 0 });
  expect(engine.stdout()).toContain(text);
});

test('VLLM_KEEP_ALIVE_ON_ENGINE_DEATH keeps answering 503', async () => {
  const engine = await startReady({ env: { VLLM_KEEP_ALIVE_ON_ENGINE_DEATH: '1' } });
  await engine.fault('die');
  await eventually('dead', async () => (await fetch(`${engine.url}/health`)).status === 503);
  expect(engine.child.exitCode).toBeNull();
});

test('a worker killed with -9 takes the engine down, and so does the core', async () => {
  const two = await startReady({ args: ['-tp', '2'] });
  await two.fault('worker-exit', { rank: 1 });
  expect(await two.exited).toMatchObject({ code: 0 });
  expect(two.stdout()).toContain('Worker proc VllmWorker-1 died unexpectedly (exit code: -9)');

  const one = await startReady();
  const [core] = childPids(one);
  process.kill(core ?? 0, 'SIGKILL');
  expect(await one.exited).toMatchObject({ code: 0 });
  expect(one.stdout()).toMatch(/Engine core process .* died unexpectedly \(exit code: -9\)/);
});

test('SIGKILL of the API server leaves core and workers with their memory, and the port is free', async () => {
  const node = fakeNode(2);
  const options = { args: ['-tp', '2'], env: { INFERNODE_SIM_NODE_DIR: node.directory } };
  const engine = await startReady(options);
  const pids = childPids(engine);
  expect(pids).toHaveLength(3);
  engine.child.kill('SIGKILL');
  await engine.exited;
  expect(pids.every(isAlive)).toBe(true);
  expect(node.holders().map(({ pid }) => pid)).toHaveLength(2);
  await expect(fetch(`${engine.url}/health`)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
});

test('SIGTERM aborts what runs by default and exits 0', async () => {
  const engine = await startReady();
  const stream = readStream(engine, long);
  await running(engine);
  engine.child.kill('SIGTERM');
  const { finish, done } = await stream;
  expect({ finish, done }).toEqual({ finish: 'abort', done: true });
  expect(await engine.exited).toMatchObject({ code: 0, signal: null });
  for (const text of [
    '[shutdown] API server: shutdown triggered',
    'stopping engine client mode=abort timeout=0s',
    'EngineCore: trigger received signal=SIGTERM',
    'request processing complete; starting resource teardown',
  ])
    expect(engine.stdout()).toContain(text);
});

test('with a shutdown timeout running requests finish, new ones are aborted, a second signal changes nothing', async () => {
  const engine = await startReady({ args: ['--shutdown-timeout', '600'] });
  const stream = readStream(engine, { max_tokens: 300, ignore_eos: true });
  await running(engine);
  engine.child.kill('SIGTERM');
  await eventually('draining', () => engine.stdout().includes('mode=drain timeout=600s'));
  expect((await fetch(`${engine.url}/health`)).status).toBe(200);
  const late = await readStream(engine, long);
  expect(late.finish).toBe('abort');
  engine.child.kill('SIGTERM');
  const { finish, text } = await stream;
  expect({ finish, length: text.length }).toEqual({ finish: 'length', length: 1200 });
  expect(await engine.exited).toMatchObject({ code: 0 });
});

test('a drain that takes too long is aborted', async () => {
  const engine = await startReady({ args: ['--shutdown-timeout', '2'] });
  const stream = readStream(engine, long);
  await running(engine);
  engine.child.kill('SIGTERM');
  expect((await stream).finish).toBe('abort');
  expect(await engine.exited).toMatchObject({ code: 0 });
});

test('a signal to the whole group is an orderly stop, not a death', async () => {
  const engine = await startReady({ args: ['-tp', '2'] });
  const stream = readStream(engine, long);
  await running(engine);
  process.kill(-engine.pid, 'SIGTERM');
  expect((await stream).finish).toBe('abort');
  expect(await engine.exited).toMatchObject({ code: 0 });
  expect(engine.stdout()).not.toContain('died unexpectedly');
});

test('SIGTERM can be ignored; older releases print no shutdown lines', async () => {
  const engine = await startReady({ env: { INFERNODE_SIM_FAULT: 'ignore-sigterm' } });
  engine.child.kill('SIGTERM');
  expect((await readStream(engine, { max_tokens: 3 })).finish).toBe('length');
  expect(engine.child.exitCode).toBeNull();
  const older = await startReady({ env: { INFERNODE_SIM_VLLM_VERSION: '0.17.0' } });
  older.child.kill('SIGTERM');
  expect(await older.exited).toMatchObject({ code: 0 });
  expect(older.stdout()).not.toContain('[shutdown]');
});

test.each([
  ['memory', 'is less than desired GPU memory utilization'],
  ['model', 'is not a valid model identifier'],
  ['oom', 'torch.OutOfMemoryError'],
  ['timeout', 'Timed out waiting for engine core processes to start'],
])('a start can be refused: %s', async (cause, text) => {
  const engine = await startEngine({
    env: { INFERNODE_SIM_FAULT: JSON.stringify({ fault: 'refuse-start', cause }) },
  });
  expect(await engine.exited).toMatchObject({ code: 1 });
  expect(engine.stdout()).toContain(text);
});

test('a start can hang, and a worker can crash in it', async () => {
  const stuck = await startEngine({
    env: { INFERNODE_SIM_FAULT: '{"fault":"hang-start","phase":"graphs"}' },
  });
  await eventually('at the graphs', () => stuck.stdout().includes('GPU KV cache size'));
  await expect(fetch(`${stuck.url}/health`)).rejects.toThrow();
  stuck.child.kill('SIGTERM');
  expect(await stuck.exited).toMatchObject({ code: 1 });
  const crashed = await startEngine({ args: ['-tp', '2'], env: { INFERNODE_SIM_FAULT: 'crash-start' } });
  expect(await crashed.exited).toMatchObject({ code: 1 });
  expect(crashed.stdout()).toContain('died unexpectedly (exit code: -9)');
});

test('single answers can fail: a status, a cut, an end without finish, an error event', async () => {
  // At life's speed each token is a write of its own, and faults of streams count writes.
  const engine = await startReady({ env: { INFERNODE_SIM_TIME_SCALE: '1', INFERNODE_SIM_LOAD_MS: '100' } });
  await engine.fault('request-error', { status: 503, count: 1 });
  expect((await engine.post('/v1/completions', { prompt: 'x' })).status).toBe(503);
  expect((await engine.post('/v1/completions', { prompt: 'x' })).status).toBe(200);
  await engine.fault('stream-truncate', { count: 1, afterEvents: 2 });
  expect(await readStream(engine, { max_tokens: 9 })).toMatchObject({ done: false, finish: null });
  await engine.fault('stream-cut', { count: 1 });
  expect(await readStream(engine, { max_tokens: 9 })).toMatchObject({ done: false, finish: null });
  await engine.fault('stream-error', { count: 1 });
  const failed = await readStream(engine, { max_tokens: 9 });
  expect(failed.done).toBe(true);
  expect(failed.chunks.at(-1)).toHaveProperty('error');
  expect(await readStream(engine, { max_tokens: 9 })).toMatchObject({ done: true, finish: 'length' });
});

test('garbage on metrics, a flood on stderr, an unknown fault', async () => {
  const engine = await startReady();
  await engine.fault('garbage-metrics', { kind: 'truncated' });
  expect(await engine.metrics()).toMatch(/model_na$/);
  await engine.fault('clear');
  expect(await engine.metrics()).toContain('vllm:num_requests_running');
  await engine.fault('stderr-flood', { bytes: 300_000 });
  await eventually('flood', () => engine.stderr().length > 300_000);
  expect(await engine.fault('no-such-fault')).toBe(400);
});

test.each([
  ['a fatal Xid', { seq: 1, device: 1, type: 'xid', code: 79 }],
  ['a lost device', null],
])('%s on one of its devices hangs the engine, and only that one', async (_name, event) => {
  const node = fakeNode(2);
  const env = { INFERNODE_SIM_NODE_DIR: node.directory };
  const other = await startReady({ env: { ...env, CUDA_VISIBLE_DEVICES: node.uuids[0] ?? '' } });
  const engine = await startReady({ env: { ...env, CUDA_VISIBLE_DEVICES: node.uuids[1] ?? '' } });
  node.edit((scenario) => {
    if (event) scenario.events.push(event);
    else scenario.devices[1]!['lost'] = true;
  });
  await eventually('hung', async () => (await state(engine)).hung);
  expect((await fetch(`${engine.url}/health`)).status).toBe(200);
  expect((await state(other)).hung).toBe(false);
  expect((await readStream(other, { max_tokens: 3 })).finish).toBe('length');
  // Until the device is reset a new engine cannot start there.
  const again = await startEngine({ env: { ...env, CUDA_VISIBLE_DEVICES: node.uuids[1] ?? '' } });
  expect(await again.exited).toMatchObject({ code: 1 });
});

test('an application Xid kills the engine with a CUDA error; a harmless one does nothing', async () => {
  const node = fakeNode(1);
  const engine = await startReady({ env: { INFERNODE_SIM_NODE_DIR: node.directory } });
  node.edit(({ events }) => events.push({ seq: 1, device: 0, type: 'xid', code: 63 }));
  node.edit(({ events }) => events.push({ seq: 2, device: 0, type: 'xid', code: 31 }));
  expect(await engine.exited).toMatchObject({ code: 0 });
  expect(engine.stdout()).toContain('CUDA error: an illegal memory access');
});

/** Core and workers, found through /proc. */
function childPids(engine: RunningEngine): number[] {
  const children = (pid: number): number[] =>
    readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  const cores = children(engine.pid);
  return [...cores, ...cores.flatMap(children)];
}
