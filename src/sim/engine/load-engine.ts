import type { EngineLog } from './engine-log.js';
import { list, string, type EngineSettings } from './engine-settings.js';
import { gib, type MemoryPlan } from './memory-plan.js';
import { isAtLeast } from './vllm-version.js';

/** How the start goes; the compile cache decides between cold and warm. */
export interface LoadContext {
  settings: EngineSettings;
  log: EngineLog;
  plan: MemoryPlan;
  warm: boolean;
  random: () => number;
  /** Waits its share of the load time, 0..1. */
  wait: (share: number) => Promise<void>;
  /** GPU memory that each rank holds from now on. */
  hold: (bytesPerRank: number) => void;
  /** Called before the phase; throws StartFailure where a fault says so. */
  enter: (phase: LoadPhase) => void;
}

export const loadPhases = ['init', 'weights', 'compile', 'kv', 'graphs', 'ready'] as const;
export type LoadPhase = (typeof loadPhases)[number];

/** Share of the load time by phase; the rest after `graphs` is the last warm-up. */
const shares: Readonly<Record<LoadPhase, number>> = {
  init: 0.1,
  weights: 0.4,
  compile: 0.25,
  kv: 0.05,
  graphs: 0.15,
  ready: 0.05,
};

/** The phases of a start in order, with the log lines that a supervisor can tell them by. */
export async function loadEngine(context: LoadContext): Promise<void> {
  for (const phase of loadPhases) {
    context.enter(phase);
    await phaseBodies[phase](context, shares[phase]);
  }
}

type PhaseBody = (context: LoadContext, share: number) => Promise<void>;

const phaseBodies: Readonly<Record<LoadPhase, PhaseBody>> = {
  async init({ settings, log, wait }, share) {
    const { version } = settings.simulation;
    log.info(
      'core',
      'core.py:105',
      `Initializing a V1 LLM engine (v${version}) with config: model='${settings.model}', tensor_parallel_size=${settings.tensorParallel}, pipeline_parallel_size=${settings.pipelineParallel}`,
    );
    await wait(share * 0.7);
    const world = settings.tensorParallel * settings.pipelineParallel;
    log.info(
      rankZero(settings),
      'parallel_state.py:1421',
      `world_size=${world} rank=0 local_rank=0 distributed_init_method=tcp://127.0.0.1:0 backend=nccl`,
    );
    await wait(share * 0.3);
    const name = String(settings.flags.get('attention-backend') ?? 'FLASH_ATTN');
    log.info(
      rankZero(settings),
      'cuda.py:351',
      isAtLeast(version, '0.14')
        ? `Using ${name} attention backend out of potential backends`
        : 'Using Flash Attention backend on V1 engine.',
    );
    if (isAtLeast(version, '0.24'))
      log.info(rankZero(settings), 'gpu_worker.py:288', 'Using V2 Model Runner');
  },

  async weights({ settings, log, plan, wait, hold, random }, share) {
    const who = rankZero(settings);
    log.info(who, 'gpu_model_runner.py:3601', `Starting to load model ${settings.model}...`);
    const shards = Math.max(2, Math.min(8, Math.ceil(plan.weightBytes / (5 * gib))));
    for (let shard = 0; shard <= shards; shard++) {
      log.progress(who, 'Loading safetensors checkpoint shards', shard, shards);
      if (shard < shards) await wait(share / shards);
    }
    hold(plan.weightBytes);
    const seconds = 4 + 20 * random();
    log.info(who, 'default_loader.py:291', `Loading weights took ${seconds.toFixed(2)} seconds`);
    log.info(
      who,
      'gpu_model_runner.py:3680',
      `Model loading took ${(plan.weightBytes / gib).toFixed(2)} GiB memory and ${(seconds + 0.6).toFixed(6)} seconds`,
    );
  },

  async compile({ settings, log, warm, wait, random }, share) {
    const who = rankZero(settings);
    if (isEager(settings)) {
      log.write(
        'core',
        'WARNING',
        'vllm.py:601',
        'Enforce eager set, disabling torch.compile and CUDAGraphs.',
      );
      return wait(share * 0.2);
    }
    log.info(who, 'backends.py:643', "Using cache directory: torch_compile_cache for vLLM's torch.compile");
    await wait(share * 0.3);
    log.info(who, 'backends.py:703', `Dynamo bytecode transform time: ${(3 + 4 * random()).toFixed(2)} s`);
    // A cold compile is most of a cold start; a warm one only reads its artifacts back.
    await wait(share * 0.7 + (warm ? 0 : coldExtraShare));
    const range = '(1, 8192)';
    const took = warm ? 2 + random() : 25 + 40 * random();
    log.info(
      who,
      'backends.py:226',
      warm
        ? `Directly load the compiled graph(s) for compile range ${range} from the cache, took ${took.toFixed(3)} s`
        : `Compiling a graph for compile range ${range} takes ${took.toFixed(2)} s`,
    );
    log.info(who, 'monitor.py:34', `torch.compile took ${(took + 5).toFixed(2)} s in total`);
    log.info(who, 'monitor.py:48', `Initial profiling/warmup run took ${(1 + random()).toFixed(2)} s`);
  },

  async kv({ settings, log, plan, wait, hold }, share) {
    await wait(share);
    const { version } = settings.simulation;
    if (isAtLeast(version, '0.21') && !isEager(settings))
      log.info(rankZero(settings), 'gpu_worker.py:395', 'Estimated CUDA graph memory: 0.62 GiB total');
    log.info(
      rankZero(settings),
      'gpu_worker.py:401',
      `Available KV cache memory: ${(plan.kvBytes / gib).toFixed(2)} GiB`,
    );
    const size = `GPU KV cache size: ${plan.kvTokens.toLocaleString('en-US')} tokens`;
    const most = `Maximum concurrency for ${plan.maxModelLength.toLocaleString('en-US')} tokens per request: ${(plan.kvTokens / plan.maxModelLength).toFixed(2)}x`;
    if (isAtLeast(version, '0.26')) log.info('core', 'kv_cache_utils.py:1316', `${size}, ${most}`);
    else for (const text of [size, most]) log.info('core', 'kv_cache_utils.py:1087', text);
    hold(plan.heldBytes);
  },

  async graphs({ settings, log, wait, random }, share) {
    if (isEager(settings))
      return log.info(
        rankZero(settings),
        'gpu_model_runner.py:4321',
        'Skipping CUDA graph capture. Cudagraph is disabled under eager mode.',
      );
    const who = rankZero(settings);
    if (compilation(settings)['cudagraph_mode'] === 'NONE')
      return log.info(
        who,
        'gpu_model_runner.py:4321',
        'Skipping CUDA graph capture. To turn on CUDA graph capture, ensure `cudagraph_mode` was not manually set to `NONE`',
      );
    const labels = captureLabels(settings);
    const steps = 5;
    const sizes = captureCount(settings);
    const gigabytes = (0.0057 * sizes * labels.length).toFixed(2);
    for (const label of labels) {
      for (let step = 0; step <= steps; step++) {
        log.progress(who, `Capturing CUDA graphs ${label}`, Math.round((sizes * step) / steps), sizes);
        if (step < steps) await wait(share / labels.length / steps);
      }
    }
    const seconds = Math.round(5 + 10 * random());
    log.info(
      who,
      'gpu_model_runner.py:4244',
      `Graph capturing finished in ${seconds} secs, took ${gigabytes} GiB`,
    );
    if (isAtLeast(settings.simulation.version, '0.21'))
      log.info(
        who,
        'gpu_worker.py:512',
        `CUDA graph pool memory: ${gigabytes} GiB (actual), 0.62 GiB (estimated)`,
      );
  },

  async ready({ log, wait, random, warm }, share) {
    await wait(share);
    const seconds = (warm ? 20 : 60) + 10 * random();
    log.info(
      'core',
      'core.py:273',
      `init engine (profile, create kv cache, warmup model) took ${seconds.toFixed(2)} s`,
    );
  },
};

/** A cold compile makes the whole start about half as long again. */
const coldExtraShare = 0.5;

function isEager({ flags }: EngineSettings): boolean {
  return flags.get('enforce-eager') === true;
}

/** Kinds of graphs by `cudagraph_mode`; the second model runner has shorter names for them. */
function captureLabels(settings: EngineSettings): string[] {
  const v2 = isAtLeast(settings.simulation.version, '0.24');
  const [piecewise, full] = v2
    ? ['(PIECEWISE)', '(FULL)']
    : ['(mixed prefill-decode, PIECEWISE)', '(decode, FULL)'];
  const mode = compilation(settings)['cudagraph_mode'] ?? 'FULL_AND_PIECEWISE';
  if (mode === 'PIECEWISE') return [piecewise];
  return mode === 'FULL_DECODE_ONLY' || mode === 'FULL' ? [full] : [piecewise, full];
}

/** 51 sizes unless told otherwise, as with the default maximum of 512. */
function captureCount({ flags }: EngineSettings): number {
  const given = [...list(flags, 'cudagraph-capture-sizes'), ...list(flags, 'cuda-graph-sizes')];
  return given.length > 0 ? given.length : 51;
}

function compilation({ flags }: EngineSettings): Record<string, unknown> {
  const text = string(flags, 'compilation-config');
  return text === undefined ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/** The GPU worker's lines come from the core when it is its own worker. */
function rankZero({ tensorParallel, pipelineParallel }: EngineSettings): 'core' | number {
  return tensorParallel * pipelineParallel > 1 ? 0 : 'core';
}
