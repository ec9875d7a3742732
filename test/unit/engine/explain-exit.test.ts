// One line for an operator: how the process ended and the first error that is a cause, out of logs as vLLM writes them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RunExit } from '../../../src/engine/engine-run.js';
import { classOf, explainExit, firstError, readTail } from '../../../src/engine/explain-exit.js';

const failedStart = `(APIServer pid=1) INFO 08-06 12:34:56 [utils.py:299] vLLM server version 0.26.0
(EngineCore pid=2) ERROR 08-06 12:35:01 [core.py:866] EngineCore failed to start.
(EngineCore pid=2) ERROR 08-06 12:35:01 [core.py:866] Traceback (most recent call last):
(EngineCore pid=2) ERROR 08-06 12:35:01 [core.py:866]   File "core.py", line 10, in run
(EngineCore pid=2) ERROR 08-06 12:35:01 [core.py:866]     raise ValueError(
(EngineCore pid=2) ERROR 08-06 12:35:01 [core.py:866] ValueError: Free memory on device cuda:0 (1.0/79.1 GiB) on startup is less than desired GPU memory utilization
(APIServer pid=1) Traceback (most recent call last):
(APIServer pid=1)   File "launcher.py", line 1
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
`;

const exit: RunExit = { code: 1, signal: null, atUnixMs: 0, requested: false, keeperLost: false };

describe('firstError', () => {
  it('is the exception of the first traceback that is not an echo', () => {
    expect(firstError(failedStart)).toMatch(/^ValueError: Free memory on device cuda:0/);
  });

  it('skips a traceback that only tells that another process died', () => {
    const log = `Traceback (most recent call last):\nvllm.EngineDeadError: EngineCore encountered an issue\n${failedStart}`;
    expect(firstError(log)).toMatch(/^ValueError/);
  });

  it('takes an error line where there is no traceback', () => {
    const log = 'usage: vllm serve [model]\nvllm serve: error: unrecognized arguments: --nope\n';
    expect(firstError(log)).toBe('vllm serve: error: unrecognized arguments: --nope');
    const died =
      '(APIServer pid=1) ERROR 08-06 12:00:00 [core_client.py:600] Engine core process EngineCore died unexpectedly (exit code: -9).';
    expect(firstError(died)).toBe('Engine core process EngineCore died unexpectedly (exit code: -9).');
  });

  it('finds nothing in a log without errors, in progress bars, and in bytes that are no text', () => {
    expect(firstError('INFO all is well\n')).toBeNull();
    expect(firstError('Loading:  50%\rLoading: 100%\r')).toBeNull();
    expect(firstError('\u0000\ufffd\n'.repeat(1000))).toBeNull();
  });
});

describe('classOf', () => {
  it.each([
    ['torch.OutOfMemoryError: CUDA out of memory', 'out-of-memory'],
    ['ValueError: Free memory on device cuda:0 (1/80 GiB)', 'out-of-memory'],
    ['OSError: [Errno 98] Address already in use', 'port-in-use'],
    ['OSError: x is not a local folder and is not a valid model identifier', 'model-not-found'],
    ['RuntimeError: CUDA error: an illegal memory access was encountered', 'cuda-error'],
    ['TimeoutError: RPC call to execute_model timed out.', 'nccl-timeout'],
    ['vllm serve: error: unrecognized arguments: --nope', 'config'],
    ['Engine core process died unexpectedly (exit code: -9).', 'killed'],
    ['something else', 'unknown'],
  ])('%s', (text, expected) => expect(classOf(text)).toBe(expected));
});

describe('explainExit', () => {
  it('joins the exit and the cause in one bounded line', () => {
    const directory = mkdtempSync(join(tmpdir(), 'infernode-log-'));
    try {
      writeFileSync(join(directory, 'engine.log'), failedStart);
      const cause = explainExit(exit, directory);
      expect(cause).toMatchObject({ class: 'out-of-memory' });
      expect(cause.text).toMatch(/^exited with code 1: ValueError: Free memory/);
      writeFileSync(join(directory, 'engine.log'), `ValueError: ${'x'.repeat(10_000)}\n`);
      expect(explainExit(exit, directory).text.length).toBeLessThanOrEqual(300);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('does without a log', () => {
    expect(explainExit({ ...exit, code: null, signal: 'SIGKILL' }, '/nowhere')).toEqual({
      class: 'killed',
      text: 'killed by SIGKILL',
    });
    expect(readTail('/nowhere')).toBe('');
  });

  it('reads the end of a long file only', () => {
    const directory = mkdtempSync(join(tmpdir(), 'infernode-log-'));
    try {
      const file = join(directory, 'engine.log');
      writeFileSync(file, 'a'.repeat(5000) + 'end');
      expect(readTail(file, 10)).toBe('aaaaaaaend');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
