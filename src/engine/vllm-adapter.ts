/** vLLM as its contract describes it (`vllm serve`, CUDA_VISIBLE_DEVICES by UUID, /health, /metrics). */
import type { TemplateConfig } from '../config/agent-config.js';
import type { EngineLoad } from '../domain/engine.js';
import type { EngineAdapter, EngineCommand, EngineProgress } from './engine-adapter.js';
import { eachSeries, labelOf } from './read-series.js';

/**
 * Variables of the agent that an engine must not see: it would report readiness to systemd in the agent's name, take the
 * agent's sockets or its IPC channel for its own, or read its settings.
 */
const strippedVariables =
  /^(NOTIFY_SOCKET|LISTEN_(FDS|PID|FDNAMES)|WATCHDOG_(USEC|PID)|JOURNAL_STREAM|NODE_CHANNEL_\w+|INFERNODE_\w+)$/;

export class VllmAdapter implements EngineAdapter {
  readonly healthPath = '/health';
  readonly metricsPath = '/metrics';

  command(
    template: TemplateConfig,
    { host, port, deviceUuids }: { host: string; port: number; deviceUuids: readonly string[] },
    baseEnv: Readonly<Record<string, string | undefined>>,
  ): EngineCommand {
    const names =
      template.servedModelNames.length > 0 ? ['--served-model-name', ...template.servedModelNames] : [];
    const address = ['--host', host, '--port', String(port)];
    return {
      argv: [...template.command, 'serve', template.model, ...address, ...names, ...template.args],
      env: {
        ...inheritable(baseEnv),
        // Equal block hashes in every process and parsable logs (contract 1.3 and 2).
        PYTHONHASHSEED: '0',
        NO_COLOR: '1',
        ...template.env,
        // Empty hides every GPU from an engine that was given none.
        CUDA_VISIBLE_DEVICES: deviceUuids.join(','),
      },
    };
  }

  servedModels(template: TemplateConfig): string[] {
    return template.servedModelNames.length > 0 ? [...template.servedModelNames] : [template.model];
  }

  /** Sums over data-parallel ranks (label `engine`). Before 0.12 the usage was called gpu_cache_usage_perc. */
  parseLoad(page: string): EngineLoad | null {
    const running = valuesOf(page, 'vllm:num_requests_running');
    const waiting = valuesOf(page, 'vllm:num_requests_waiting');
    if (running.length === 0 && waiting.length === 0) return null;
    const usage = valuesOf(page, 'vllm:kv_cache_usage_perc');
    const ratios = usage.length > 0 ? usage : valuesOf(page, 'vllm:gpu_cache_usage_perc');
    return {
      running: sum(running),
      waiting: sum(waiting),
      kvCacheUsageRatio: ratios.length > 0 ? sum(ratios) / ratios.length : null,
      ...kvCacheOf(page),
    };
  }

  /** The iteration histogram counts steps; a front end without it (contract 2, Rust) still counts tokens. */
  parseProgress(page: string): EngineProgress {
    const steps = totalOf(page, ['vllm:iteration_tokens_total_count']);
    const awake = valuesBy(page, 'vllm:engine_sleep_state', 'sleep_state="awake"');
    return {
      steps: steps ?? totalOf(page, ['vllm:generation_tokens_total', 'vllm:prompt_tokens_total']),
      preemptions: totalOf(page, ['vllm:num_preemptions_total']),
      asleep: awake.length > 0 && awake.every((value) => value === 0),
    };
  }
}

/** Sum of all series of these names, `null` when there is none. */
function totalOf(page: string, names: readonly string[]): number | null {
  const values = names.flatMap((name) => valuesOf(page, name));
  return values.length > 0 ? sum(values) : null;
}

function valuesBy(page: string, name: string, label: string): number[] {
  const values: number[] = [];
  eachSeries(page, name, (labels, value) => {
    if (labels.includes(label)) values.push(value);
  });
  return values;
}

function kvCacheOf(page: string): Pick<EngineLoad, 'kvCacheBlocks' | 'kvBlockTokens'> {
  let blocks: number | null = null;
  let blockTokens: number | null = null;
  eachSeries(page, 'vllm:cache_config_info', (labels) => {
    const count = Number(labelOf(labels, 'num_gpu_blocks'));
    const size = Number(labelOf(labels, 'block_size'));
    if (count > 0) blocks = (blocks ?? 0) + count;
    if (size > 0) blockTokens = size;
  });
  return { kvCacheBlocks: blocks, kvBlockTokens: blockTokens };
}

function valuesOf(page: string, name: string): number[] {
  const values: number[] = [];
  eachSeries(page, name, (_labels, value) => {
    if (Number.isFinite(value)) values.push(value);
  });
  return values;
}

function inheritable(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept = Object.entries(env).filter(
    ([name, value]) => value !== undefined && !strippedVariables.test(name),
  );
  return Object.fromEntries(kept) as Record<string, string>;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
