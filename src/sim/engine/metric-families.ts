// Every metric family of vLLM's server that the simulator exposes, in the order of a real page, with the release that
// brought it. Copied as data from the project's notes on vLLM (main of 2026-08-06); `metrics-page.ts` prints it.

export interface MetricFamily {
  /** As declared: counters get `_total` when printed, unless they end in it. */
  name: string;
  type: 'gauge' | 'counter' | 'histogram';
  help: string;
  /** Upper bounds, or the rule "1, 2, 5 times powers of ten up to the model's length". */
  buckets?: readonly number[] | 'per-model-length';
  /** Labels beside `engine` and `model_name`, with every value they take. */
  values?: Record<string, readonly string[]>;
  /** Printed without `model_name`. */
  noModelName?: true;
  /** First release with it; 0.8 when absent. */
  since?: string;
  /** Shown by default below this release; from here on only with --show-hidden-metrics-for-version. */
  hiddenFrom?: string;
  /** First release without it. */
  removed?: string;
  /** Option that switches it on; always there when absent. */
  when?: 'nans' | 'kvCacheMetrics' | 'lora' | 'speculative';
}

const perModelLength = 'per-model-length';
const requestSeconds = [
  0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0,
  960.0, 1920.0, 7680.0,
];
const tokenSeconds = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
];
const blockSeconds = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800,
];

export const metricFamilies: readonly MetricFamily[] = [
  {
    name: 'vllm:num_requests_running',
    type: 'gauge',
    help: 'Requests that are in the running batch of this engine.',
  },
  {
    name: 'vllm:num_requests_waiting',
    type: 'gauge',
    help: 'Requests queued in the scheduler, whatever the reason (capacity plus deferred).',
  },
  {
    name: 'vllm:num_requests_waiting_by_reason',
    type: 'gauge',
    help: 'Waiting requests split by cause: no room yet, or held back for a transient cause such as an adapter slot or a remote KV transfer. The two add up to num_requests_waiting.',
    values: { reason: ['capacity', 'deferred'] },
    since: '0.20',
  },
  {
    name: 'vllm:engine_sleep_state',
    type: 'gauge',
    help: 'One series per state; the active one is 1. awake is 0 while sleeping; weights_offloaded is sleep level 1, discard_all is sleep level 2.',
    values: { sleep_state: ['awake', 'weights_offloaded', 'discard_all'] },
    since: '0.11.1',
  },
  {
    name: 'vllm:kv_cache_usage_perc',
    type: 'gauge',
    help: 'Share of KV-cache blocks in use, 0 to 1 in spite of the name.',
    since: '0.9.2',
  },
  {
    name: 'vllm:prefix_cache_queries',
    type: 'counter',
    help: 'Prompt tokens looked up in the local prefix cache.',
    since: '0.9.2',
  },
  {
    name: 'vllm:prefix_cache_hits',
    type: 'counter',
    help: 'Prompt tokens found in the local prefix cache.',
    since: '0.9.2',
  },
  {
    name: 'vllm:external_prefix_cache_queries',
    type: 'counter',
    help: 'Prompt tokens looked up through a KV connector.',
    since: '0.11.1',
  },
  {
    name: 'vllm:external_prefix_cache_hits',
    type: 'counter',
    help: 'Prompt tokens a KV connector could supply.',
    since: '0.11.1',
  },
  {
    name: 'vllm:mm_cache_queries',
    type: 'counter',
    help: 'Multi-modal items looked up in the processor cache.',
    since: '0.11.1',
  },
  {
    name: 'vllm:mm_cache_hits',
    type: 'counter',
    help: 'Multi-modal items found in the processor cache.',
    since: '0.11.1',
  },
  {
    name: 'vllm:num_preemptions',
    type: 'counter',
    help: 'Times a running request was pushed back to the queue for lack of KV blocks.',
  },
  { name: 'vllm:prompt_tokens', type: 'counter', help: 'Prompt tokens processed, cached ones included.' },
  {
    name: 'vllm:prompt_tokens_by_source',
    type: 'counter',
    help: 'Prompt tokens by where their KV came from.',
    values: { source: ['local_compute', 'local_cache_hit', 'external_kv_transfer'] },
    since: '0.16',
  },
  {
    name: 'vllm:prompt_tokens_cached',
    type: 'counter',
    help: 'Prompt tokens that needed no prefill (local and external hits).',
    since: '0.16',
  },
  { name: 'vllm:generation_tokens', type: 'counter', help: 'Output tokens produced.' },
  {
    name: 'vllm:request_success',
    type: 'counter',
    help: 'Finished requests by reason.',
    values: { finished_reason: ['stop', 'length', 'abort', 'error', 'repetition'] },
  },
  {
    name: 'vllm:request_prompt_tokens',
    type: 'histogram',
    help: 'Prompt tokens per finished request.',
    buckets: perModelLength,
  },
  {
    name: 'vllm:request_generation_tokens',
    type: 'histogram',
    help: 'Output tokens per finished request.',
    buckets: perModelLength,
  },
  {
    name: 'vllm:iteration_tokens_total',
    type: 'histogram',
    help: 'Tokens handled in one engine step (prefill plus decode). A histogram in spite of the suffix.',
    buckets: [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384],
  },
  {
    name: 'vllm:request_max_num_generation_tokens',
    type: 'histogram',
    help: 'Largest output length among the sequences of a request.',
    buckets: perModelLength,
  },
  {
    name: 'vllm:request_params_n',
    type: 'histogram',
    help: 'The n parameter of requests.',
    buckets: [1, 2, 5, 10, 20],
  },
  {
    name: 'vllm:request_params_max_tokens',
    type: 'histogram',
    help: 'The max_tokens parameter of requests.',
    buckets: perModelLength,
  },
  {
    name: 'vllm:time_to_first_token_seconds',
    type: 'histogram',
    help: 'From arrival at the API server to the first token.',
    buckets: [
      0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0,
      80.0, 160.0, 640.0, 2560.0,
    ],
  },
  {
    name: 'vllm:inter_token_latency_seconds',
    type: 'histogram',
    help: 'Gap between consecutive output tokens.',
    buckets: tokenSeconds,
    since: '0.11',
  },
  {
    name: 'vllm:request_time_per_output_token_seconds',
    type: 'histogram',
    help: 'Mean time per output token of a request.',
    buckets: tokenSeconds,
    since: '0.11',
  },
  {
    name: 'vllm:e2e_request_latency_seconds',
    type: 'histogram',
    help: 'Arrival to last token.',
    buckets: requestSeconds,
  },
  {
    name: 'vllm:request_queue_time_seconds',
    type: 'histogram',
    help: 'Time between entering the queue and first being scheduled.',
    buckets: requestSeconds,
  },
  {
    name: 'vllm:request_inference_time_seconds',
    type: 'histogram',
    help: 'Time in the running state: first scheduled to last token.',
    buckets: requestSeconds,
  },
  {
    name: 'vllm:request_prefill_time_seconds',
    type: 'histogram',
    help: 'First scheduled to first token.',
    buckets: requestSeconds,
  },
  {
    name: 'vllm:request_decode_time_seconds',
    type: 'histogram',
    help: 'First to last token.',
    buckets: requestSeconds,
  },
  {
    name: 'vllm:request_prefill_kv_computed_tokens',
    type: 'histogram',
    help: 'Tokens whose KV was newly computed in prefill, per request.',
    buckets: perModelLength,
    since: '0.13',
  },
  {
    name: 'vllm:cache_config_info',
    noModelName: true,
    type: 'gauge',
    help: 'Always 1; every field of the cache configuration as a string label.',
  },
  {
    name: 'vllm:corrupted_requests',
    type: 'counter',
    help: 'Requests whose logits contained NaN.',
    since: '0.11.1',
    when: 'nans',
  },
  {
    name: 'vllm:kv_block_lifetime_seconds',
    type: 'histogram',
    help: 'Allocation to eviction of a KV block (sampled).',
    buckets: blockSeconds,
    since: '0.12',
    when: 'kvCacheMetrics',
  },
  {
    name: 'vllm:kv_block_idle_before_evict_seconds',
    type: 'histogram',
    help: 'Idle time of a KV block before eviction (sampled).',
    buckets: blockSeconds,
    since: '0.12',
    when: 'kvCacheMetrics',
  },
  {
    name: 'vllm:kv_block_reuse_gap_seconds',
    type: 'histogram',
    help: 'Gaps between accesses to a KV block (sampled, latest accesses only).',
    buckets: blockSeconds,
    since: '0.12',
    when: 'kvCacheMetrics',
  },
  {
    name: 'vllm:spec_decode_num_drafts',
    type: 'counter',
    help: 'Draft rounds.',
    since: '0.8.5',
    when: 'speculative',
  },
  {
    name: 'vllm:spec_decode_num_draft_tokens',
    type: 'counter',
    help: 'Draft tokens proposed.',
    when: 'speculative',
  },
  {
    name: 'vllm:spec_decode_num_accepted_tokens',
    type: 'counter',
    help: 'Draft tokens accepted.',
    when: 'speculative',
  },
  {
    name: 'vllm:gpu_cache_usage_perc',
    type: 'gauge',
    help: 'KV-cache usage, old name.',
    hiddenFrom: '0.11',
    removed: '0.12',
  },
  {
    name: 'vllm:gpu_prefix_cache_queries',
    type: 'counter',
    help: 'Old name.',
    hiddenFrom: '0.11',
    removed: '0.12',
  },
  {
    name: 'vllm:gpu_prefix_cache_hits',
    type: 'counter',
    help: 'Old name.',
    hiddenFrom: '0.11',
    removed: '0.12',
  },
  {
    name: 'vllm:time_per_output_token_seconds',
    type: 'histogram',
    help: 'Gap between tokens, old name.',
    buckets: tokenSeconds,
    hiddenFrom: '0.12',
    removed: '0.15',
  },
  {
    name: 'vllm:prompt_tokens_recomputed',
    type: 'counter',
    help: 'Prompt tokens computed again in spite of a full cache hit.',
    since: '0.16',
    removed: '0.20',
  },
];
