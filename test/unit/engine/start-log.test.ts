// What a start's log tells: the texts of the contract, in several releases' words and in whatever pieces they arrive.
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { startPhases, type StartPhase } from '../../../src/domain/engine.js';
import { describeProgress, StartLog } from '../../../src/engine/start-log.js';
import { eventually, mainFile } from '../../support/running-up.js';

const directory = mkdtempSync(join(tmpdir(), 'infernode-start-log-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const gibibyte = 1024 ** 3;
const prefix = '(EngineCore pid=12) INFO 08-06 12:34:56 [core.py:81] ';
const graphsLine = (label: string, done: number): string =>
  `\r(Worker_TP0 pid=3) Capturing CUDA graphs ${label}:  ${done}%|███   | ${done}/51 [00:02<00:03,  8.52it/s]`;

/** Phases in the order in which they were seen, from a log in pieces of `size` characters. */
function phasesOf(text: string, size = 40): StartPhase[] {
  const log = new StartLog();
  const seen: StartPhase[] = [];
  for (let at = 0; at < text.length; at += size)
    if (log.feed(text.slice(at, at + size)) && seen.at(-1) !== log.progress.phase)
      seen.push(log.progress.phase);
  return seen;
}

const whole = [
  '(APIServer pid=1) INFO 08-06 12:34:56 [utils.py:299] vLLM server version 0.26.0',
  `${prefix}Initializing a V1 LLM engine (v0.26.0) with config: model='x'`,
  `${prefix}Starting to load model x...`,
  '\rLoading safetensors checkpoint shards:  50% Completed | 2/4 [00:01<00:01]',
  `${prefix}Model loading took 14.99 GiB memory and 4.6 seconds`,
  `${prefix}Dynamo bytecode transform time: 4.26 s`,
  `${prefix}torch.compile took 17.39 s in total`,
  `${prefix}Available KV cache memory: 50.12 GiB`,
  `${prefix}GPU KV cache size: 410,592 tokens, Maximum concurrency for 8,192 tokens per request: 50.12x`,
  graphsLine('(mixed prefill-decode, PIECEWISE)', 51),
  graphsLine('(decode, FULL)', 26),
  graphsLine('(decode, FULL)', 51),
  `${prefix}Graph capturing finished in 9 secs, took 0.58 GiB`,
  `${prefix}init engine (profile, create kv cache, warmup model) took 31.20 s`,
  '(APIServer pid=1) INFO:     Application startup complete.',
  '',
].join('\n');

describe('the phases', () => {
  it.each([1, 7, 60])('come in order, in pieces of %i characters', (size) => {
    const seen = phasesOf(whole, size);
    expect(seen).toEqual(startPhases.filter((phase) => phase !== 'launch' && seen.includes(phase)));
    expect(seen).toEqual([
      'arguments',
      'init',
      'weights',
      'compile',
      'profiling',
      'kv-cache',
      'graphs',
      'warm-up',
      'serving',
    ]);
  });

  it('never go back, and a repeated line is no step forward', () => {
    const log = new StartLog();
    const steps = [`${prefix}Available KV cache memory: 1 GiB\n`, `${prefix}Starting to load model x\n`];
    expect(steps.map((line) => log.feed(line))).toEqual([true, false]);
    expect(log.feed(steps[0]!)).toBe(false);
    expect(log.progress.phase).toBe('kv-cache');
  });

  it('count: shards, and captures of each kind; another worker’s bar is no step forward', () => {
    const log = new StartLog();
    log.feed('Loading safetensors checkpoint shards:  50% Completed | 2/4\n');
    expect(describeProgress(log.progress)).toBe('loading: weights 2/4');
    expect(log.feed('Loading safetensors checkpoint shards:  25% Completed | 1/4\n')).toBe(false);
    expect(log.feed(`${graphsLine('(mixed prefill-decode, PIECEWISE)', 51)}\n`)).toBe(true);
    expect(log.feed(`${graphsLine('(decode, FULL)', 23)}\n`)).toBe(true);
    expect(describeProgress(log.progress)).toBe('loading: graphs 23/51 (decode, FULL)');
    expect(log.feed(`${graphsLine('(mixed prefill-decode, PIECEWISE)', 51)}\n`)).toBe(false);
  });

  it('a flood without a line end stays bounded', () => {
    const log = new StartLog();
    for (let i = 0; i < 100; i++) log.feed('x'.repeat(1 << 20));
    expect(log.feed(`\n${prefix}Starting to load model x\n`)).toBe(true);
  });
});

describe('the graphs', () => {
  it('are counted over both kinds, with seconds and memory', () => {
    const log = new StartLog();
    log.feed(whole);
    expect(log.graphs).toEqual({
      state: 'captured',
      count: 102,
      seconds: 9,
      memoryBytes: 0.58 * gibibyte,
      mode: 'mixed prefill-decode, PIECEWISE + decode, FULL',
      reason: '',
    });
    expect(log).toMatchObject({ kvCacheTokens: 410_592, weightBytes: 14.99 * gibibyte });
  });

  it.each([
    'Enforce eager set, disabling torch.compile and CUDAGraphs.',
    'Skipping CUDA graph capture. Cudagraph is disabled under eager mode.',
    'CUDAGraphMode.FULL is not supported with X backend; setting cudagraph_mode=NONE',
    'Overriding to NONE',
  ])('that are absent have a reason: %s', (text) => {
    const log = new StartLog();
    log.feed(`${prefix}${text}\n`);
    expect(log.graphs).toMatchObject({ state: 'eager', count: 0, reason: text });
  });

  it('of a lowered mode say which', () => {
    const log = new StartLog();
    log.feed(
      `${prefix}CUDAGraphMode.FULL is not supported with FlashInfer backend; setting cudagraph_mode=FULL_DECODE_ONLY\n`,
    );
    log.feed(
      `${graphsLine('(decode, FULL)', 51)}\n${prefix}Graph capturing finished in 3 secs, took 0.31 GiB\n`,
    );
    expect(log.graphs).toMatchObject({ state: 'captured', mode: 'FULL_DECODE_ONLY', count: 51 });
  });

  it('are open until the log tells', () => {
    const log = new StartLog();
    log.feed(whole.slice(0, whole.indexOf('Graph capturing')));
    expect(log.graphs).toBeNull();
  });
});

/** All that a simulated release prints until it serves, in the order in which it was written. */
async function simulatedLog(version: string, flags: string[] = []): Promise<string> {
  const path = join(directory, `${version}${flags.length}.log`);
  const file = openSync(path, 'a');
  const child = spawn(
    process.execPath,
    [mainFile, 'sim', 'engine', 'serve', 'x', '--host', '127.0.0.1', '--port', '0', ...flags],
    {
      env: { ...process.env, INFERNODE_SIM_VLLM_VERSION: version, INFERNODE_SIM_LOAD_MS: '20' },
      stdio: ['ignore', file, file],
    },
  );
  closeSync(file);
  try {
    return await eventually('the simulated vLLM serves', () => {
      const text = readFileSync(path, 'utf8');
      return text.includes('startup complete') ? text : undefined;
    });
  } finally {
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('close', resolve));
  }
}

describe.each(['0.10.2', '0.12.0', '0.21.0', '0.26.0', '0.28.0'])('the simulated vLLM %s', (version) => {
  it('tells every phase and its graphs', async () => {
    const log = new StartLog();
    const text = await simulatedLog(version);
    log.feed(`${text}\n`);
    expect(log.progress.phase).toBe('serving');
    expect(phasesOf(`${text}\n`)).toEqual(startPhases.slice(1));
    expect(log.graphs).toMatchObject({ state: 'captured', reason: '' });
    expect(log.kvCacheTokens).toBeGreaterThan(0);
  });
});

it('the simulated vLLM without graphs says so', async () => {
  const log = new StartLog();
  log.feed(`${await simulatedLog('0.26.0', ['--enforce-eager'])}\n`);
  expect(log.graphs).toMatchObject({ state: 'eager' });
});
