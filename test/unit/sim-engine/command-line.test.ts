// The command line behaves as vLLM's argparse: versions, help, unknown flags, flags that come and go with releases.
import { describe, expect, test } from 'vitest';
import { serveFlags } from '../../../src/sim/engine/flag-table.js';
import { humanInteger, parseFlags, UsageError } from '../../../src/sim/engine/parse-flags.js';
import { outputOf } from './running-engine.js';

const parse = (argv: string[], version = '0.26.0'): ReturnType<typeof parseFlags> =>
  parseFlags(argv, serveFlags, version);

describe('flags', () => {
  test('take values with a space, with =, by short name and with underscores', () => {
    const { positional, values } = parse(['org/model', '-tp', '2', '--port=8001', '--max_num_seqs', '64']);
    expect(positional).toEqual(['org/model']);
    expect(Object.fromEntries(values)).toEqual({ 'tensor-parallel-size': 2, port: 8001, 'max-num-seqs': 64 });
  });

  test('booleans have a negative form and take no value', () => {
    expect(parse(['--no-enable-prefix-caching', '--enforce-eager']).values).toEqual(
      new Map([
        ['enable-prefix-caching', false],
        ['enforce-eager', true],
      ]),
    );
    expect(() => parse(['--enforce-eager=true'])).toThrow(UsageError);
  });

  test('lists run to the next flag, JSON is checked, choices too', () => {
    expect(parse(['--served-model-name', 'a', 'b', '--port', '1']).values.get('served-model-name')).toEqual([
      'a',
      'b',
    ]);
    expect(parse(['-cc.cudagraph_mode=FULL']).values.has('compilation-config')).toBe(true);
    expect(() => parse(['--kv-transfer-config', '{broken'])).toThrow('cannot be converted');
    expect(() => parse(['--scheduling-policy', 'random'])).toThrow('invalid choice');
    expect(() => parse(['--port'])).toThrow('expected one argument');
    expect(() => parse(['--port', 'http'])).toThrow('invalid int value');
  });

  test.each([
    ['8192', 8192],
    ['8k', 8000],
    ['8K', 8192],
    ['1M', 1048576],
    ['1.5k', 1500],
    ['auto', -1],
    ['1.5', null],
    ['many', null],
  ])('the size %s is %s', (text, value) => expect(humanInteger(text)).toBe(value));

  test.each([
    ['--shutdown-timeout=5', '0.17.0', '0.18.0'],
    ['--max-num-queued-reqs=5', '0.27.0', '0.28.0'],
    ['--cudagraph-capture-sizes=1', '0.11.0', '0.12.0'],
  ])('%s is unknown in %s and known in %s', (flag, before, since) => {
    expect(() => parse([flag], before)).toThrow(`unrecognized arguments: ${flag}`);
    expect(parse([flag], since).values.size).toBe(1);
  });

  test.each([
    ['--swap-space=4', '0.16.0', '0.17.0'],
    ['--calculate-kv-scales', '0.27.0', '0.28.0'],
    ['--device=cuda', '0.9.2', '0.10.0'],
  ])('%s is known in %s and gone in %s', (flag, last, removed) => {
    expect(parse([flag], last).values.size).toBe(1);
    expect(() => parse([flag], removed)).toThrow('unrecognized arguments');
  });

  test('no name is listed twice for one release', () => {
    const names = serveFlags.flatMap((flag) => flag.names);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('the command', () => {
  test('prints its version, which the environment can choose', async () => {
    expect(await outputOf(['--version'])).toMatchObject({ code: 0, stdout: '0.26.0\n' });
    const older = await outputOf(['--version'], { INFERNODE_SIM_VLLM_VERSION: '0.11.2' });
    expect(older.stdout).toBe('0.11.2\n');
  });

  test('lists the flags of the release', async () => {
    const { code, stdout } = await outputOf(['serve', '--help=all']);
    expect(code).toBe(0);
    expect(stdout).toContain('--tensor-parallel-size TENSOR_PARALLEL_SIZE, -tp TENSOR_PARALLEL_SIZE');
    expect(stdout).toContain('--enable-prefix-caching, --no-enable-prefix-caching');
    expect(stdout).not.toContain('--swap-space');
  });

  test('refuses an unknown flag at once with usage on stderr and exit code 2', async () => {
    const { code, stdout, stderr } = await outputOf(['serve', 'm', '--swap-space', '4']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^usage: vllm serve/);
    expect(stderr).toContain('error: unrecognized arguments: --swap-space 4');
  });

  test('names a setting of the simulation that is not a number, and a fault nobody knows', async () => {
    const scale = await outputOf(['serve', 'm'], { INFERNODE_SIM_TIME_SCALE: 'fast' });
    expect(scale).toMatchObject({ code: 2 });
    expect(scale.stderr).toContain('expected INFERNODE_SIM_TIME_SCALE to be a number');
    const fault = await outputOf(['serve', 'm'], { INFERNODE_SIM_FAULT: 'explode' });
    expect(fault).toMatchObject({ code: 2 });
    expect(fault.stderr).toContain('explode');
  });
});
