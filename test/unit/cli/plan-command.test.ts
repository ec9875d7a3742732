// `infernode plan` as an operator and a script call it: the promised keys, the template that the agent takes, and the errors.
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { agentSchema } from '../../../src/config/agent-config.js';
import { mainFile } from '../../support/running-up.js';

const directory = mkdtempSync(join(tmpdir(), 'infernode-plan-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function plan(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }> {
  const run = promisify(execFile)(process.execPath, [mainFile, 'plan', ...args]);
  return run.then(
    ({ stdout, stderr }) => ({ stdout, stderr, code: 0 }),
    (error: { stdout: string; stderr: string; code: number }) => error,
  );
}

const llama = ['--model', 'llama-3.1-70b', '--gpus', '8xH100-80', '--vllm-version', '0.26.0'];

describe('infernode plan', () => {
  it('prints the promised keys as JSON', async () => {
    const { stdout } = await plan(...llama, '--json');
    const document = JSON.parse(stdout) as Record<string, unknown>;
    expect(document).toMatchObject({
      tensorParallelSize: 4,
      pipelineParallelSize: 1,
      kvCacheDtype: 'auto',
      kvBytesPerToken: { auto: 327_680, fp8: 163_840, int4_per_token_head: 87_040 },
      maxModelLen: 131_072,
      attentionBackend: 'FLASH_ATTN',
    });
    for (const key of ['kvCacheTokens', 'maxNumSeqs'] as const) expect(document[key]).toBeGreaterThan(0);
    expect(document['cudagraphCaptureSizes']).toContain(8);
    expect((document['command'] as string[]).slice(0, 3)).toEqual([
      ...['vllm', 'serve', 'meta-llama/Meta-Llama-3.1-70B'],
    ]);
  });

  it('prints a table that ends with the line to type', async () => {
    const { stdout } = await plan(...llama);
    expect(stdout).toMatch(/^engines that fit +2$/m);
    expect(stdout).toMatch(/^smallest that loads +TP 2 x PP 1$/m);
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^vllm serve .* --tensor-parallel-size 4 /);
  });

  it('prints a template that the agent takes as it is', async () => {
    const { stdout } = await plan(...llama, '--yaml');
    expect(stdout).toMatch(/^# vllm serve meta-llama/);
    const { templates } = agentSchema.parse(parse(stdout));
    expect(templates['meta-llama-3.1-70b']).toMatchObject({ adapter: 'vllm', gpus: 4 });
  });

  it('writes for the program that is named', async () => {
    const program = join(directory, 'vllm');
    const script = `exec ${process.execPath} ${mainFile} sim engine "$@"`;
    writeFileSync(program, `#!/bin/sh\nINFERNODE_SIM_VLLM_VERSION=0.12.0 ${script}\n`);
    chmodSync(program, 0o755);
    const { stdout } = await plan(
      '--model',
      'llama-3.1-8b',
      '--gpus',
      'H100-80',
      '--vllm',
      program,
      '--json',
    );
    expect(JSON.parse(stdout)).toMatchObject({
      vllmVersion: '0.12.0',
      env: { VLLM_ATTENTION_BACKEND: 'FLASH_ATTN' },
    });
  });

  it.each([
    [
      ['--model', 'llama-3.1-71b', '--gpus', 'H100-80'],
      /not in the catalogue; candidates: .*Meta-Llama-3.1-70B/,
    ],
    [['--model', 'llama-3.1-405b', '--gpus', '4xH100-80'], /needs 756 GiB .* nearest that would: /],
    [['--gpus', 'H100-80'], /expected either --model or --shape/],
    [['--shape', 'layers=0', '--gpus', 'H100-80'], /expected layers to be a number above 0/],
    [['--model', 'llama-3.1-8b', '--gpus', '3xH90'], /expected NxGPU with GPU one of/],
    [
      ['--model', 'llama-3.1-8b', '--gpus', 'H100-80', '--batch-sizes', '/no/such'],
      /expected a batch-sizes\.json/,
    ],
    [['--model', 'llama-3.1-8b', '--gpus', 'H100-80', '--vllm', '/no/vllm'], /"\/no\/vllm" does not exist/],
  ])('%j is refused in one sentence', async (args, message) => {
    const { stderr, code } = await plan(...args);
    expect(stderr).toMatch(message);
    expect(code).toBeGreaterThan(0);
  });
});
