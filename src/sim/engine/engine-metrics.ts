import type { EngineRequest, FinishReason } from './engine-request.js';
import type { EngineSettings } from './engine-settings.js';
import { integer, string } from './engine-settings.js';
import type { MemoryPlan } from './memory-plan.js';
import { metricFamilies, type MetricFamily } from './metric-families.js';
import { MetricStore } from './metric-store.js';
import { printFamilies } from './metrics-page.js';
import type { EngineStep, Scheduler } from './scheduler.js';
import { isAtLeast, isPresent } from './vllm-version.js';

/** The `vllm:` families of one engine. Values change only when a step ran, so a hung engine shows frozen ones. */
export class EngineMetrics {
  readonly store: MetricStore;
  readonly #labels: Record<string, string>;

  constructor(settings: EngineSettings, plan: MemoryPlan) {
    this.store = new MetricStore(shownFamilies(settings), plan.maxModelLength);
    this.#labels = { engine: '0', model_name: settings.servedNames[0] ?? settings.model };
    this.store.set('vllm:engine_sleep_state', 1, { sleep_state: 'awake' });
    this.store.set('vllm:cache_config_info', 1, cacheConfigLabels(settings, plan));
  }

  print(): string {
    return printFamilies(this.store, this.#labels);
  }

  stepped(step: EngineStep, produced: readonly EngineRequest[], scheduler: Scheduler): void {
    const { store } = this;
    this.gauges(scheduler);
    if (step.work.length > 0) store.observe('vllm:iteration_tokens_total', step.prefillTokens + step.decodes);
    if (step.preemptions > 0) store.add('vllm:num_preemptions', step.preemptions);
    store.add('vllm:generation_tokens', produced.length);
    for (const request of step.admitted) this.#admitted(request);
  }

  gauges(scheduler: Scheduler): void {
    const { store } = this;
    const waiting = scheduler.waiting.length;
    const usage = scheduler.pool.usage;
    store.set('vllm:num_requests_running', scheduler.running.length);
    store.set('vllm:num_requests_waiting', waiting);
    store.set('vllm:num_requests_waiting_by_reason', waiting, { reason: 'capacity' });
    for (const name of ['vllm:kv_cache_usage_perc', 'vllm:gpu_cache_usage_perc']) store.set(name, usage);
  }

  token(request: EngineRequest, previousMs: number, atMs: number): void {
    if (previousMs < 0) {
      this.store.observe('vllm:time_to_first_token_seconds', (atMs - request.arrivedMs) / 1000);
      this.#prompt(request);
      return;
    }
    const gap = (atMs - previousMs) / 1000;
    this.store.observe('vllm:inter_token_latency_seconds', gap);
    this.store.observe('vllm:time_per_output_token_seconds', gap);
  }

  finished(request: EngineRequest, atMs: number): void {
    const { store } = this;
    const reason: FinishReason = request.finish ?? 'error';
    store.add('vllm:request_success', 1, { finished_reason: reason });
    store.observe('vllm:request_prompt_tokens', request.promptLength);
    store.observe('vllm:request_generation_tokens', request.generated);
    store.observe('vllm:request_max_num_generation_tokens', request.generated);
    store.observe('vllm:request_params_n', 1);
    store.observe('vllm:request_params_max_tokens', request.parameters.maxTokens);
    const scheduled = request.scheduledMs < 0 ? atMs : request.scheduledMs;
    const first = request.firstTokenMs < 0 ? atMs : request.firstTokenMs;
    store.observe('vllm:e2e_request_latency_seconds', (atMs - request.arrivedMs) / 1000);
    store.observe('vllm:request_queue_time_seconds', Math.max(0, scheduled - request.arrivedMs) / 1000);
    store.observe('vllm:request_inference_time_seconds', (atMs - scheduled) / 1000);
    store.observe('vllm:request_prefill_time_seconds', (first - scheduled) / 1000);
    store.observe('vllm:request_decode_time_seconds', (atMs - first) / 1000);
    store.observe(
      'vllm:request_prefill_kv_computed_tokens',
      Math.max(0, request.promptLength - request.cachedTokens),
    );
    if (request.generated > 1)
      store.observe(
        'vllm:request_time_per_output_token_seconds',
        (atMs - first) / 1000 / (request.generated - 1),
      );
  }

  /** @param level 0 awake, 1 weights in host memory, 2 all discarded */
  sleeping(level: number): void {
    ['awake', 'weights_offloaded', 'discard_all'].forEach((sleep_state, index) =>
      this.store.set('vllm:engine_sleep_state', index === level ? 1 : 0, { sleep_state }),
    );
  }

  #admitted(request: EngineRequest): void {
    for (const prefix of ['vllm:prefix_cache', 'vllm:gpu_prefix_cache']) {
      this.store.add(`${prefix}_queries`, request.promptLength);
      this.store.add(`${prefix}_hits`, request.cachedTokens);
    }
  }

  /** Counted when the prompt is done, as vLLM does. */
  #prompt(request: EngineRequest): void {
    const { store } = this;
    store.add('vllm:prompt_tokens', request.promptLength);
    store.add('vllm:prompt_tokens_cached', request.cachedTokens);
    const source = 'vllm:prompt_tokens_by_source';
    store.add(source, request.promptLength - request.cachedTokens, { source: 'local_compute' });
    store.add(source, request.cachedTokens, { source: 'local_cache_hit' });
  }
}

/** What this release shows with these options; `--disable-log-stats` leaves nothing. */
export function shownFamilies({ flags, simulation: { version } }: EngineSettings): MetricFamily[] {
  if (flags.get('disable-log-stats') === true) return [];
  const hiddenShown = string(flags, 'show-hidden-metrics-for-version');
  const switches = {
    nans: process.env['VLLM_COMPUTE_NANS_IN_LOGITS'] === '1',
    kvCacheMetrics: flags.get('kv-cache-metrics') === true,
    lora: flags.get('enable-lora') === true,
    speculative: flags.has('speculative-config') || flags.has('spec-method'),
  };
  return metricFamilies.filter((family) => {
    if (!isPresent(version, family) || (family.when && !switches[family.when])) return false;
    const hidden = family.hiddenFrom && isAtLeast(version, family.hiddenFrom);
    return !hidden || (hiddenShown !== undefined && !isAtLeast(hiddenShown, version));
  });
}

function cacheConfigLabels(settings: EngineSettings, plan: MemoryPlan): Record<string, string> {
  const { flags } = settings;
  const given = (name: string): string => String(flags.get(name) ?? 'None');
  return {
    _block_size_resolved: 'True',
    block_size: String(settings.blockSize),
    cache_dtype: string(flags, 'kv-cache-dtype') ?? 'auto',
    enable_prefix_caching: flags.get('enable-prefix-caching') === false ? 'False' : 'True',
    gpu_memory_utilization: String(settings.gpuMemoryUtilization),
    is_attention_free: 'False',
    kv_cache_dtype_skip_layers: '[]',
    kv_cache_max_concurrency: (plan.kvTokens / plan.maxModelLength).toFixed(1),
    kv_cache_memory_bytes: given('kv-cache-memory-bytes'),
    kv_cache_size_tokens: String(plan.kvTokens),
    kv_offloading_backend: string(flags, 'kv-offloading-backend') ?? 'native',
    kv_offloading_size: given('kv-offloading-size'),
    kv_sharing_fast_prefill: 'False',
    mamba_block_size: 'None',
    mamba_cache_dtype: 'auto',
    mamba_cache_mode: 'none',
    mamba_page_size_padded: 'None',
    mamba_ssm_cache_dtype: 'auto',
    num_cpu_blocks: 'None',
    num_gpu_blocks: String(plan.blocks),
    num_gpu_blocks_override: given('num-gpu-blocks-override'),
    prefix_caching_hash_algo: string(flags, 'prefix-caching-hash-algo') ?? 'sha256',
    prefix_match_unit: 'None',
    replayssm_buffer_len: '16',
    skip_page_size_padded: 'None',
    sliding_window: 'None',
    use_replayssm: 'False',
    user_specified_block_size: integer(flags, 'block-size') === null ? 'False' : 'True',
    user_specified_mamba_block_size: 'False',
  };
}
