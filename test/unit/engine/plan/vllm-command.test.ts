// The line of a plan in the words of each release, and of the program that is installed.
import { expect, test } from 'vitest';
import { planEngine } from '../../../../src/engine/plan/plan-engine.js';
import { vllmCommand, vllmCommandFor } from '../../../../src/engine/plan/vllm-command.js';
import { aPlanRequest as request } from '../../../support/plan-request.js';

test('the command fits the version: old releases get no flag they do not have', () => {
  const plan = planEngine(request('llama-3.1-70b'));
  expect(vllmCommand(plan).argv.slice(0, 5)).toEqual([
    'vllm',
    'serve',
    'meta-llama/Meta-Llama-3.1-70B',
    '--tensor-parallel-size',
    '4',
  ]);
  expect(vllmCommand(plan, '0.26.0').argv).toContain('--attention-backend');
  const old = vllmCommand(plan, '0.10.2');
  expect(old.argv).not.toContain('--attention-backend');
  expect(old.argv).not.toContain('--cudagraph-capture-sizes');
  expect(old.env).toEqual({ VLLM_ATTENTION_BACKEND: 'FLASH_ATTN' });
});

test('the command is in the words of the program that is installed', () => {
  const plan = planEngine(request('llama-3.1-70b'));
  const flags = (...names: string[]): Set<string> =>
    new Set([
      ...['--tensor-parallel-size', '--gpu-memory-utilization', '--max-model-len', '--max-num-seqs'],
      ...['--max-num-batched-tokens', '--kv-cache-dtype', ...names],
    ]);
  const old = { version: '0.12.0', flags: flags('--cuda-graph-sizes'), unknown: '' };
  const { argv, env } = vllmCommandFor(plan, old);
  expect(argv).toContain('--cuda-graph-sizes');
  expect(env).toEqual({ VLLM_ATTENTION_BACKEND: 'FLASH_ATTN' });
  expect(() => vllmCommandFor(plan, { ...old, version: '0.29.0', flags: flags() })).toThrow(
    /--attention-backend is not a flag of vLLM 0\.29\.0; --cudagraph-capture-sizes is not/,
  );
  expect(vllmCommandFor(plan, { version: '0.26.0', flags: null, unknown: 'x' }, 'bytes').argv).toContain(
    '--kv-cache-memory-bytes',
  );
});
