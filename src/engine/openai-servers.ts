/**
 * Other OpenAI-compatible servers as data: command line, health path, names of their metrics.
 * Sources: SGLang `docs/references/production_metrics`, text-generation-inference `docs/source/reference/launcher.md` and
 * `metrics.md`, llama.cpp `tools/server/README.md`.
 */
import type { TemplateConfig } from '../config/agent-config.js';

export interface OpenAiServer {
  /** Words behind the template's command; `{model}`, `{host}`, `{port}`, `{internalPort}` and `{name}` are filled in. */
  words: readonly string[];
  /** Only with a served name of the template's. */
  nameWords: readonly string[];
  healthPath: string;
  metricsPath: string;
  /** The first of each list that the page has counts. */
  metrics: Readonly<Record<'running' | 'waiting' | 'kvCacheUsageRatio' | 'steps', readonly string[]>>;
}

export const openAiServers: Readonly<Record<Exclude<TemplateConfig['adapter'], 'vllm'>, OpenAiServer>> = {
  sglang: {
    words: ['--model-path', '{model}', '--host', '{host}', '--port', '{port}', '--enable-metrics'],
    nameWords: ['--served-model-name', '{name}'],
    healthPath: '/health',
    metricsPath: '/metrics',
    metrics: {
      running: ['sglang:num_running_reqs'],
      waiting: ['sglang:num_queue_reqs'],
      kvCacheUsageRatio: ['sglang:token_usage'],
      steps: ['sglang:generation_tokens_total'],
    },
  },
  tgi: {
    words: [
      ...[
        '--model-id',
        '{model}',
        '--hostname',
        '{host}',
        '--port',
        '{port}',
        '--master-port',
        '{internalPort}',
      ],
      // Two of them on one machine would share the default sockets.
      ...['--shard-uds-path', '/tmp/text-generation-server-{port}'],
    ],
    nameWords: [],
    healthPath: '/health',
    metricsPath: '/metrics',
    metrics: {
      running: ['tgi_batch_current_size'],
      waiting: ['tgi_queue_size'],
      kvCacheUsageRatio: [],
      steps: ['tgi_batch_inference_count'],
    },
  },
  'llama.cpp': {
    words: ['--model', '{model}', '--host', '{host}', '--port', '{port}', '--metrics'],
    nameWords: ['--alias', '{name}'],
    healthPath: '/health',
    metricsPath: '/metrics',
    metrics: {
      running: ['llamacpp:requests_processing'],
      waiting: ['llamacpp:requests_deferred'],
      kvCacheUsageRatio: ['llamacpp:kv_cache_usage_ratio'],
      steps: ['llamacpp:n_decode_total', 'llamacpp:tokens_predicted_total'],
    },
  },
};
