// The metrics page: numbers, label order and families as vLLM prints them, by release; hits and misses of the prefix cache.
import { describe, expect, test } from 'vitest';
import { engineSettings } from '../../../src/sim/engine/engine-settings.js';
import { shownFamilies } from '../../../src/sim/engine/engine-metrics.js';
import { lengthBuckets } from '../../../src/sim/engine/metric-store.js';
import { labelText, pythonNumber } from '../../../src/sim/engine/metrics-page.js';
import { readStream, startReady } from './running-engine.js';

describe('numbers are printed as Python does', () => {
  test.each([
    [0, '0.0'],
    [17, '17.0'],
    [0.25, '0.25'],
    [710064, '710064.0'],
    [1000000, '1e+06'],
    [2285505, '2.285505e+06'],
    [15478059008, '1.5478059008e+010'],
    [1786012345.1462424, '1.7860123451462424e+09'],
    [Infinity, '+Inf'],
  ])('%d as %s', (value, text) => expect(pythonNumber(value)).toBe(text));
});

test('labels are sorted and escaped', () => {
  expect(labelText({ model_name: 'a"b\\c', engine: '0', le: '1.0' })).toBe(
    '{engine="0",le="1.0",model_name="a\\"b\\\\c"}',
  );
});

test('length buckets go by 1, 2, 5 up to the model length', () => {
  expect(lengthBuckets(20)).toEqual([1, 2, 5, 10, 20]);
  expect(lengthBuckets(8192).at(-1)).toBe(5000);
});

describe('families by release', () => {
  const names = (version: string, ...args: string[]): string[] =>
    shownFamilies(engineSettings(['m', ...args], { INFERNODE_SIM_VLLM_VERSION: version })).map(
      ({ name }) => name,
    );

  test('the old names are there where they were, and only there', () => {
    expect(names('0.9.1')).toContain('vllm:gpu_cache_usage_perc');
    expect(names('0.9.1')).not.toContain('vllm:kv_cache_usage_perc');
    expect(names('0.10.2')).toEqual(
      expect.arrayContaining(['vllm:gpu_cache_usage_perc', 'vllm:kv_cache_usage_perc']),
    );
    expect(names('0.26.0')).not.toContain('vllm:gpu_cache_usage_perc');
    expect(names('0.10.2')).toContain('vllm:time_per_output_token_seconds');
    expect(names('0.10.2')).not.toContain('vllm:inter_token_latency_seconds');
  });

  test('hidden ones can be asked for, stats can be switched off, options add families', () => {
    expect(names('0.12.0')).not.toContain('vllm:time_per_output_token_seconds');
    expect(names('0.12.0', '--show-hidden-metrics-for-version', '0.11')).toContain(
      'vllm:time_per_output_token_seconds',
    );
    expect(names('0.26.0', '--disable-log-stats')).toEqual([]);
    expect(names('0.26.0', '--kv-cache-metrics')).toContain('vllm:kv_block_lifetime_seconds');
  });
});

test('the page: order, labels, companions, counters from zero, prefix hits that follow what was served', async () => {
  const engine = await startReady();
  const fresh = await engine.metrics();
  const types = [...fresh.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
  const expected = [
    'vllm:num_requests_running gauge',
    'vllm:prefix_cache_queries_total counter',
    'vllm:prefix_cache_queries_created gauge',
    'vllm:iteration_tokens_total histogram',
    'vllm:iteration_tokens_total_created gauge',
    'vllm:time_to_first_token_seconds histogram',
    'vllm:cache_config_info gauge',
    'http_requests_total counter',
  ];
  expect(types.filter((type) => expected.includes(type))).toEqual(expected);
  expect(fresh).toMatch(/^vllm:prefix_cache_hits_total\{engine="0",model_name="chat"\} 0\.0$/m);
  expect(fresh).toMatch(
    /^vllm:time_to_first_token_seconds_bucket\{engine="0",le="0\.001",model_name="chat"\} 0\.0$/m,
  );
  expect(fresh).toMatch(/^vllm:cache_config_info\{_block_size_resolved="True",block_size="16",.*\} 1\.0$/m);
  expect(/^vllm:cache_config_info.*$/m.exec(fresh)?.[0]).not.toContain('model_name');
  expect(fresh).not.toMatch(/^[^#].*\}\s+\d+$/m);

  const messages = [{ role: 'user', content: 'word '.repeat(400) }];
  await readStream(engine, { messages, max_tokens: 2 });
  const queries = await engine.metric('vllm:prefix_cache_queries_total');
  expect(await engine.metric('vllm:prefix_cache_hits_total')).toBe(0);
  await readStream(engine, { messages, max_tokens: 2 });
  expect(await engine.metric('vllm:prefix_cache_queries_total')).toBe(2 * queries);
  expect(await engine.metric('vllm:prefix_cache_hits_total')).toBe(Math.floor((queries - 1) / 16) * 16);
  expect(await engine.metric('vllm:time_to_first_token_seconds_count')).toBe(2);
  expect(await engine.metric('vllm:generation_tokens_total')).toBe(4);
  expect(await engine.metric('vllm:iteration_tokens_total_count')).toBe(4);
  const page = await engine.metrics();
  expect(page).toMatch(
    /^http_requests_total\{handler="\/v1\/chat\/completions",method="POST",status="2xx"\} 2\.0$/m,
  );
});

test('an old release shows its old names on the page', async () => {
  const engine = await startReady({ env: { INFERNODE_SIM_VLLM_VERSION: '0.9.1' } });
  await readStream(engine, { max_tokens: 2 });
  expect(await engine.metric('vllm:gpu_cache_usage_perc')).toBe(0);
  expect(await engine.metric('vllm:gpu_prefix_cache_queries_total')).toBeGreaterThan(0);
  expect(await engine.metric('vllm:kv_cache_usage_perc')).toBeNaN();
});
