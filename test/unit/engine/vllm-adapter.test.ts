// Command, environment and metrics of vLLM as the contract has them.
import { describe, expect, it } from 'vitest';
import { internalPortOf } from '../../../src/engine/port-reservation.js';
import { eachSeries, labelOf } from '../../../src/engine/read-series.js';
import { VllmAdapter } from '../../../src/engine/vllm-adapter.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { aTemplate } from '../../support/engine-fleet.js';

const adapter = new VllmAdapter(systemClock);
const place = {
  host: '127.0.0.1',
  apiKey: null,
  port: 20_001,
  internalPort: internalPortOf(20_001),
  deviceUuids: ['GPU-a', 'GPU-b'],
  compileCacheDir: '/cache',
  extraArgs: [],
};

describe('the command', () => {
  it('names model, address and names before the template’s own arguments', async () => {
    const template = aTemplate(
      {},
      { model: 'org/model', servedModelNames: ['model', 'chat'], args: ['--enforce-eager'] },
    );
    const { argv, version, notes } = await adapter.command(template, place, process.env);
    expect(argv).toEqual([
      ...template.command,
      ...['serve', 'org/model', '--host', '127.0.0.1', '--port', '20001'],
      ...['--served-model-name', 'model', 'chat', '--enforce-eager'],
    ]);
    expect({ version, notes }).toEqual({ version: '0.26.0', notes: [] });
    expect(adapter.servedModels(template)).toEqual(['model', 'chat']);
    expect(adapter.servedModels(aTemplate({}, { model: 'org/model' }))).toEqual(['org/model']);
  });

  it('leaves running requests what of the grace vLLM itself does not need', async () => {
    const endOf = async (overrides: object): Promise<string[]> =>
      (await adapter.command(aTemplate({}, overrides), place, process.env)).argv.slice(-2);
    expect(await endOf({ stopGraceMs: 20_000 })).toEqual(['--shutdown-timeout', '5']);
    expect(await endOf({ stopGraceMs: 15_999, args: ['--seed', '1'] })).toEqual(['--seed', '1']);
    expect(await endOf({ stopGraceMs: 60_000, args: ['--shutdown-timeout', '30'] })).toEqual([
      ...['--shutdown-timeout', '30'],
    ]);
  });

  it('gives devices by UUID, none as none, and keeps what is the agent’s', async () => {
    const agent = {
      PATH: '/bin',
      NOTIFY_SOCKET: '/run/x',
      LISTEN_FDS: '3',
      LISTEN_PID: '1',
      WATCHDOG_USEC: '1',
      NODE_CHANNEL_FD: '4',
      INFERNODE_TOKEN: 'secret',
      VLLM_API_KEY: 'nobody was told',
      HF_TOKEN: 'kept',
      GONE: undefined,
    };
    const template = aTemplate({}, { env: { PYTHONHASHSEED: '7', INFERNODE_SIM_SEED: '1' } });
    expect((await adapter.command(template, place, agent)).env).toEqual({
      PATH: '/bin',
      HF_TOKEN: 'kept',
      PYTHONHASHSEED: '7',
      NO_COLOR: '1',
      VLLM_PORT: '20428',
      VLLM_ENGINE_READY_TIMEOUT_S: '1800',
      VLLM_CACHE_ROOT: '/cache',
      INFERNODE_SIM_SEED: '1',
      CUDA_VISIBLE_DEVICES: 'GPU-a,GPU-b',
    });
    const none = await adapter.command(template, { ...place, deviceUuids: [] }, agent);
    expect(none.env['CUDA_VISIBLE_DEVICES']).toBe('');
  });

  it('refuses a flag that this program lacks, by name', async () => {
    const template = aTemplate({}, { args: ['--swap_out', '3', '--port', '1'] });
    await expect(adapter.command(template, place, process.env)).rejects.toThrow(
      /^template args: --swap_out is not a flag of vLLM 0\.26\.0; --port is set by the agent; leave it out$/,
    );
  });
});

describe('the load', () => {
  const page = (engine: number): string => `# HELP vllm:num_requests_running n
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="${engine}",model_name="a}b"} 17.0
vllm:num_requests_waiting{engine="${engine}",model_name="a}b"} 2.0
vllm:num_requests_waiting_by_reason{engine="${engine}",reason="capacity"} 100.0
vllm:kv_cache_usage_perc{engine="${engine}",model_name="a}b"} 0.5
vllm:cache_config_info{block_size="16",engine="${engine}",num_gpu_blocks="28672",num_gpu_blocks_override="None"} 1.0
`;

  it('comes from exactly the series that it needs', () => {
    expect(adapter.parseLoad(page(0))).toEqual({
      running: 17,
      waiting: 2,
      kvCacheUsageRatio: 0.5,
      kvCacheBlocks: 28_672,
      kvBlockTokens: 16,
    });
  });

  it('adds up data-parallel ranks; usage is their mean', () => {
    expect(adapter.parseLoad(page(0) + page(1))).toMatchObject({
      running: 34,
      waiting: 4,
      kvCacheUsageRatio: 0.5,
      kvCacheBlocks: 57_344,
    });
  });

  it('knows the older name of the usage', () => {
    const old = 'vllm:num_requests_running 1.0\nvllm:gpu_cache_usage_perc{engine="0"} 0.25\n';
    expect(adapter.parseLoad(old)).toMatchObject({ running: 1, waiting: 0, kvCacheUsageRatio: 0.25 });
  });

  it.each([
    '',
    '<html>',
    'vllm:num_requests_running{',
    'vllm:num_requests_running{} x',
    '\u0000'.repeat(100),
  ])('garbage is not a load: %j', (text) => expect(adapter.parseLoad(text)).toBeNull());
});

describe('progress', () => {
  it('is the number of steps, summed over ranks', () => {
    const count = 'vllm:iteration_tokens_total_count';
    const page = `${count}{engine="0"} 7.0\n${count}{engine="1"} 5.0\nvllm:generation_tokens_total{engine="0"} 99.0\nvllm:num_preemptions_total{engine="0"} 3.0\n`;
    expect(adapter.parseProgress(page)).toMatchObject({ steps: 12, preemptions: 3, asleep: false });
  });

  it('counts steps by their tokens, over ranks; endless buckets and garbage are left out', () => {
    const bucket = (le: string, engine: number, steps: string) =>
      `vllm:iteration_tokens_total_bucket{engine="${engine}",le="${le}"} ${steps}\n`;
    const page =
      bucket('8.0', 0, '20.0') +
      bucket('1.0', 0, '7.0') +
      bucket('1.0', 1, '5.0') +
      bucket('+Inf', 0, '9e9') +
      bucket('16.0', 0, 'x');
    expect(adapter.parseProgress(page).stepSizes).toEqual([
      { tokens: 1, steps: 12 },
      { tokens: 8, steps: 20 },
    ]);
  });

  it('is the number of tokens where the front end counts no steps', () => {
    const page = 'vllm:generation_tokens_total{engine="0"} 1e+03\nvllm:prompt_tokens_total{engine="0"} 5.0\n';
    expect(adapter.parseProgress(page)).toEqual({
      stepSizes: null,
      steps: 1005,
      preemptions: null,
      asleep: false,
    });
  });

  it('knows a sleeping engine, and garbage', () => {
    const page = 'vllm:engine_sleep_state{engine="0",sleep_state="awake"} 0.0\n';
    expect(adapter.parseProgress(page).asleep).toBe(true);
    expect(adapter.parseProgress('<html>')).toEqual({
      stepSizes: null,
      steps: null,
      preemptions: null,
      asleep: false,
    });
  });
});

it('series are found by their whole name, at a line start', () => {
  const found: [string, number][] = [];
  eachSeries('xa 1\na 2\na_b 3\na{l="v \\" }"} 4e2\n', 'a', (labels, value) => found.push([labels, value]));
  expect(found).toEqual([
    ['', 2],
    ['l="v \\" }"', 400],
  ]);
  expect(labelOf('a="1",ba="2"', 'a')).toBe('1');
  expect(labelOf('ba="2"', 'a')).toBeNull();
});
