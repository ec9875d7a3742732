/** vLLM as its contract describes it (`vllm serve`, CUDA_VISIBLE_DEVICES by UUID, /health, /metrics). */
import type { TemplateConfig } from '../config/agent-config.js';
import type { EngineLoad } from '../domain/engine.js';
import type { Clock } from '../runtime/clock.js';
import type {
  EngineAdapter,
  EngineCommand,
  EnginePlace,
  EngineProgress,
  MemoryNeed,
  StepSizes,
  Environment,
} from './engine-adapter.js';
import { engineEnvironment } from './engine-environment.js';
import { compareVersions } from './plan/compare-versions.js';
import { eachSeries, labelOf, valuesOfSeries } from './read-series.js';
import { mapFlags, valuesOf } from './vllm-flags.js';
import { VllmPrograms, type VllmProgram } from './vllm-program.js';

/** Ranks of a connector's side channel start here within the engine's own ports. */
const sideChannelOffset = 12;

export class VllmAdapter implements EngineAdapter {
  readonly healthPath = '/health';
  readonly metricsPath = '/metrics';
  readonly tellsDeath = true;
  readonly #programs: VllmPrograms;

  constructor(clock: Clock) {
    this.#programs = new VllmPrograms(clock);
  }

  async command(template: TemplateConfig, place: EnginePlace, baseEnv: Environment): Promise<EngineCommand> {
    const { host, port, deviceUuids } = place;
    const asked = engineEnvironment(baseEnv, {}, template, []);
    const program = await this.#programs.of(template.command, asked);
    const wishes = [...template.args, ...place.extraArgs, ...shutdownTimeout(template, program)];
    const { args, env, notes } = mapFlags(wishes, program);
    const names =
      template.servedModelNames.length > 0 ? ['--served-model-name', ...template.servedModelNames] : [];
    const address = ['--host', host, '--port', String(port)];
    return {
      argv: [...template.command, 'serve', template.model, ...address, ...names, ...args],
      env: engineEnvironment(baseEnv, { ...ownVariables(template, place), ...env }, template, deviceUuids),
      version: program.version,
      notes: program.unknown === '' ? notes : [...notes, `flags are not checked: ${program.unknown}`],
    };
  }

  async learn(template: TemplateConfig, baseEnv: Environment): Promise<string | null> {
    const env = engineEnvironment(baseEnv, {}, template, []);
    return (await this.#programs.of(template.command, env)).version;
  }

  /** Contract 1.3: the start is refused when less than its share of the *total* is free, unless the cache size is given. */
  memoryNeed({ args }: TemplateConfig, version: string | null): MemoryNeed {
    const bytes = Number(valuesOf(args, '--kv-cache-memory-bytes')?.[0]);
    if (bytes > 0) return { bytes };
    const ratio = Number(valuesOf(args, '--gpu-memory-utilization')?.[0]);
    if (ratio > 0 && ratio <= 1) return { ratio };
    return { ratio: version !== null && compareVersions(version, '0.21') >= 0 ? 0.92 : 0.9 };
  }

  servedModels(template: TemplateConfig): string[] {
    return template.servedModelNames.length > 0 ? [...template.servedModelNames] : [template.model];
  }

  /** Sums over data-parallel ranks (label `engine`). Before 0.12 the usage was called gpu_cache_usage_perc. */
  parseLoad(page: string): EngineLoad | null {
    const running = valuesOfSeries(page, 'vllm:num_requests_running');
    const waiting = valuesOfSeries(page, 'vllm:num_requests_waiting');
    if (running.length === 0 && waiting.length === 0) return null;
    const usage = valuesOfSeries(page, 'vllm:kv_cache_usage_perc');
    const ratios = usage.length > 0 ? usage : valuesOfSeries(page, 'vllm:gpu_cache_usage_perc');
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
      stepSizes: stepSizesOf(page),
      preemptions: totalOf(page, ['vllm:num_preemptions_total']),
      asleep: awake.length > 0 && awake.every((value) => value === 0),
    };
  }
}

/** The iteration histogram, summed over data-parallel ranks; `+Inf` is left out. */
function stepSizesOf(page: string): StepSizes | null {
  const steps = new Map<number, number>();
  eachSeries(page, 'vllm:iteration_tokens_total_bucket', (labels, value) => {
    const tokens = Number(labelOf(labels, 'le') ?? NaN);
    if (Number.isFinite(tokens) && Number.isFinite(value))
      steps.set(tokens, (steps.get(tokens) ?? 0) + value);
  });
  if (steps.size === 0) return null;
  return [...steps].sort(([a], [b]) => a - b).map(([tokens, count]) => ({ tokens, steps: count }));
}

/** Sum of all series of these names, `null` when there is none. */
function totalOf(page: string, names: readonly string[]): number | null {
  const values = names.flatMap((name) => valuesOfSeries(page, name));
  return values.length > 0 ? sum(values) : null;
}

function valuesBy(page: string, name: string, label: string): number[] {
  const values: number[] = [];
  eachSeries(page, name, (labels, value) => {
    if (labels.includes(label)) values.push(value);
  });
  return values;
}

/** Contract 5.5: vLLM wants 15 s beyond it before anybody sends SIGKILL. */
const afterShutdownMs = 15_000;

/** What SIGTERM leaves running requests of the grace, where this version has the flag and the template says nothing of it. */
function shutdownTimeout({ args, stopGraceMs }: TemplateConfig, { flags }: VllmProgram): string[] {
  const flag = '--shutdown-timeout';
  const seconds = Math.floor((stopGraceMs - afterShutdownMs) / 1000);
  return seconds > 0 && flags?.has(flag) === true && valuesOf(args, flag) === null
    ? [flag, String(seconds)]
    : [];
}

/** Contract 1.3 and 2: equal block hashes in every process, parsable logs, ports of its own, patience as long as ours. */
function ownVariables(
  { args, startTimeoutMs }: TemplateConfig,
  { internalPort, compileCacheDir, apiKey }: EnginePlace,
): Record<string, string> {
  return {
    PYTHONHASHSEED: '0',
    NO_COLOR: '1',
    VLLM_PORT: String(internalPort),
    VLLM_ENGINE_READY_TIMEOUT_S: String(Math.ceil(startTimeoutMs / 1000)),
    ...(apiKey === null ? {} : { VLLM_API_KEY: apiKey }),
    ...(compileCacheDir === null ? {} : { VLLM_CACHE_ROOT: compileCacheDir }),
    ...(valuesOf(args, '--kv-transfer-config')
      ? { VLLM_NIXL_SIDE_CHANNEL_PORT: String(internalPort + sideChannelOffset) }
      : {}),
  };
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

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
