// Wishes in one release's words, said in another's. The programs are real: the simulated vLLM prints the help of each release.
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/runtime/clock.js';
import { mapFlags, valuesOf, wishesIn } from '../../../src/engine/vllm-flags.js';
import { VllmPrograms, flagsOf, versionOf, type VllmProgram } from '../../../src/engine/vllm-program.js';
import { mainFile } from '../../support/running-up.js';

const programs = new VllmPrograms(systemClock);
const command = [process.execPath, mainFile, 'sim', 'engine'];
const release = (version: string): Promise<VllmProgram> =>
  programs.of(command, { ...process.env, INFERNODE_SIM_VLLM_VERSION: version });

describe('what a release has', () => {
  it.each([
    ['0.10.0', '--cuda-graph-sizes', '--attention-backend'],
    ['0.26.0', '--attention-backend', '--swap-space'],
    ['0.28.0', '--max-num-queued-reqs', '--calculate-kv-scales'],
  ])('vLLM %s has %s and not %s', async (version, has, lacks) => {
    const program = await release(version);
    expect(program).toMatchObject({ version, unknown: '' });
    expect(program.flags?.has(has)).toBe(true);
    expect(program.flags?.has(lacks)).toBe(false);
  });

  it('is read out of argparse text: spellings, not prose', () => {
    const help = [
      'usage: vllm serve [model_tag] [options]',
      '  --max-num-seqs MAX_NUM_SEQS',
      '                        Maximum; see --max-model-len.',
      '  --enable-lora, --no-enable-lora',
      '  --tensor-parallel-size N, -tp N',
      '  --quantization {awq,gptq-marlin}, -q {awq,gptq-marlin}',
    ].join('\n');
    expect([...flagsOf(help)]).toEqual([
      '--max-num-seqs',
      ...['--enable-lora', '--no-enable-lora'],
      ...['--tensor-parallel-size', '-tp', '--quantization', '-q'],
    ]);
  });

  it.each([
    ['0.26.0\n', '0.26.0'],
    ['WARNING 08-06 12:34:56 x\nvLLM v0.11.1rc2+cu129\n', '0.11.1rc2+cu129'],
    ['Segmentation fault', null],
  ])('the version in %j is %s', (text, version) => expect(versionOf(text)).toBe(version));
});

describe('a wish', () => {
  it.each([
    ['0.26.0', ['--cudagraph-capture-sizes', '1', '2'], ['--cudagraph-capture-sizes', '1', '2']],
    ['0.10.2', ['--cudagraph-capture-sizes', '1', '2'], ['--cuda-graph-sizes', '1', '2']],
    ['0.26.0', ['--cuda-graph-sizes', '1', '2'], ['--cudagraph-capture-sizes', '1', '2']],
    ['0.26.0', ['--cuda-graph-sizes', '64'], ['--max-cudagraph-capture-size', '64']],
    [
      '0.26.0',
      ['--guided-decoding-backend', 'xgrammar'],
      ['--structured-outputs-config', '{"backend":"xgrammar"}'],
    ],
    ['0.26.0', ['--swap-space', '4', '--enforce-eager'], ['--enforce-eager']],
    ['0.16.0', ['--shutdown-timeout', '30'], []],
    ['0.20.0', ['--spec-method', 'ngram'], ['--speculative-config.method', 'ngram']],
    ['0.26.0', ['--no-enable-prefix-caching'], ['--no-enable-prefix-caching']],
    [
      '0.26.0',
      ['-cc.cudagraph_mode=FULL', '-O3', '--max_num_seqs=8'],
      ['-cc.cudagraph_mode', 'FULL', '-O3', '--max_num_seqs', '8'],
    ],
    ['0.26.0', ['--kv-cache-memory', '-1'], ['--kv-cache-memory', '-1']],
  ])('for vLLM %s: %j becomes %j', async (version, args, mapped) => {
    const result = mapFlags(args, await release(version));
    expect(result.args).toEqual(mapped);
    // Whatever is not as it was written is said.
    const changed = mapped.length < args.length || mapped[0] !== args[0]?.split('=')[0];
    expect(result.notes.length > 0).toBe(changed);
  });

  it('of an attention back end is a variable where the flag came later', async () => {
    const args = ['--attention-backend', 'FLASHINFER'];
    expect(mapFlags(args, await release('0.12.0'))).toMatchObject({
      args: [],
      env: { VLLM_ATTENTION_BACKEND: 'FLASHINFER' },
    });
    expect(mapFlags(args, await release('0.13.0'))).toMatchObject({ args, env: {} });
  });

  it('that this version does not know is refused by name, all at once', async () => {
    const program = await release('0.28.0');
    expect(() => mapFlags(['--calculate-kv-scales', '--no-such', '1', '--uds', '/x'], program)).toThrow(
      'template args: --calculate-kv-scales is not a flag of vLLM 0.28.0; --no-such is not a flag of vLLM 0.28.0; --uds is set by the agent; leave it out',
    );
  });

  it('goes through unchanged where the program told nothing, except for what is the agent’s', () => {
    const silent: VllmProgram = { version: null, flags: null, unknown: 'x' };
    expect(mapFlags(['--any', '1'], silent).args).toEqual(['--any', '1']);
    expect(() => mapFlags(['--host=0.0.0.0'], silent)).toThrow(/--host is set by the agent/);
  });
});

it('flags and their values are told apart', () => {
  expect(wishesIn(['a', '--x', '1', '2', '-y=3', '--z', '-1'])).toEqual([
    { name: '', values: ['a'] },
    { name: '--x', values: ['1', '2'] },
    { name: '-y', values: ['3'] },
    { name: '--z', values: ['-1'] },
  ]);
  expect(valuesOf(['--a_b', '1', '--a-b=2'], '--a-b')).toEqual(['2']);
  expect(valuesOf([], '--a')).toBeNull();
});
