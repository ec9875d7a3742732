import { serveFlags } from './flag-table.js';
import { modelFacts, type ModelFacts } from './model-facts.js';
import { parseFlags, UsageError, type FlagValue } from './parse-flags.js';
import { defaultStepCost, type StepCost } from './step-cost.js';
import { isAtLeast } from './vllm-version.js';

export const defaultVersion = '0.26.0';

/** Settings of the simulation itself; environment variables, all optional. */
export interface SimulationSettings {
  version: string;
  nodeDirectory: string | null;
  /** Time from start to ready before scaling; see `timeScale`. */
  loadMs: number;
  timeScale: number;
  seed: number;
  releaseDelayMs: number;
  cost: StepCost;
  /** INFERNODE_SIM_FAULT as given. */
  faults: string;
  tasks: readonly string[] | null;
}

export interface EngineSettings {
  simulation: SimulationSettings;
  flags: ReadonlyMap<string, FlagValue>;
  model: string;
  servedNames: readonly string[];
  host: string;
  port: number;
  apiKeys: readonly string[];
  tensorParallel: number;
  pipelineParallel: number;
  gpuMemoryUtilization: number;
  maxModelLength: number | null;
  maxSequences: number | null;
  maxBatchedTokens: number | null;
  blockSize: number;
  shutdownTimeoutSeconds: number;
  facts: ModelFacts;
  /** `generate`, `embed`. */
  tasks: readonly string[];
  developerMode: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** A fraction of a second for the slowest real start is enough for tests. */
const defaultLoadMs = 1500;

/** Throws UsageError for a variable that is not what it should be. */
export function simulationSettings(env: Environment): SimulationSettings {
  return {
    version: env['INFERNODE_SIM_VLLM_VERSION'] || defaultVersion,
    nodeDirectory: env['INFERNODE_SIM_NODE_DIR'] || null,
    loadMs: number(env, 'INFERNODE_SIM_LOAD_MS', defaultLoadMs),
    timeScale: number(env, 'INFERNODE_SIM_TIME_SCALE', 1),
    seed: number(env, 'INFERNODE_SIM_SEED', 1),
    releaseDelayMs: number(env, 'INFERNODE_SIM_RELEASE_DELAY_MS', 0),
    cost: {
      ...defaultStepCost,
      prefillTokensPerSecond: number(
        env,
        'INFERNODE_SIM_PREFILL_TOKENS_PER_S',
        defaultStepCost.prefillTokensPerSecond,
      ),
      decodeBaseMs: number(env, 'INFERNODE_SIM_ITL_MS', defaultStepCost.decodeBaseMs),
    },
    faults: env['INFERNODE_SIM_FAULT'] ?? '',
    tasks: env['INFERNODE_SIM_TASKS']?.split(',') ?? null,
  };
}

function number(env: Environment, name: string, fallback: number): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0)
    throw new UsageError(`expected ${name} to be a number of 0 or more, got "${text}"`);
  return value;
}

/** Flags of `serve` and the environment, joined. Throws UsageError like the argument parser. */
export function engineSettings(argv: readonly string[], env: Environment): EngineSettings {
  const simulation = simulationSettings(env);
  const { positional, values: flags } = parseFlags(argv, serveFlags, simulation.version);
  if (positional.length > 1) throw new UsageError(`unrecognized arguments: ${positional.slice(1).join(' ')}`);
  const model = positional[0] ?? string(flags, 'model') ?? 'Qwen/Qwen3-0.6B';
  const facts = modelFacts(model);
  const pooling = facts.pooling || isPooling(flags);
  const keys = list(flags, 'api-key');
  return {
    simulation,
    flags,
    model,
    servedNames: list(flags, 'served-model-name').length > 0 ? list(flags, 'served-model-name') : [model],
    host: string(flags, 'host') ?? '0.0.0.0',
    port: integer(flags, 'port') ?? 8000,
    apiKeys: keys.length > 0 ? keys : env['VLLM_API_KEY'] ? [env['VLLM_API_KEY']] : [],
    tensorParallel: integer(flags, 'tensor-parallel-size') ?? 1,
    pipelineParallel: integer(flags, 'pipeline-parallel-size') ?? 1,
    gpuMemoryUtilization: utilization(flags, simulation.version),
    maxModelLength: integer(flags, 'max-model-len'),
    maxSequences: integer(flags, 'max-num-seqs'),
    maxBatchedTokens: integer(flags, 'max-num-batched-tokens'),
    blockSize: integer(flags, 'block-size') ?? 16,
    shutdownTimeoutSeconds: integer(flags, 'shutdown-timeout') ?? 0,
    facts,
    tasks: simulation.tasks ?? (pooling ? ['embed'] : ['generate']),
    developerMode: env['VLLM_SERVER_DEV_MODE'] === '1',
  };
}

/** 0.92 since 0.21, 0.9 before. */
function utilization(flags: ReadonlyMap<string, FlagValue>, version: string): number {
  const value = flags.get('gpu-memory-utilization');
  return typeof value === 'number' ? value : isAtLeast(version, '0.21') ? 0.92 : 0.9;
}

function isPooling(flags: ReadonlyMap<string, FlagValue>): boolean {
  return (
    flags.get('runner') === 'pooling' || flags.get('convert') === 'embed' || flags.get('task') === 'embed'
  );
}

export function string(flags: ReadonlyMap<string, FlagValue>, name: string): string | undefined {
  const value = flags.get(name);
  return typeof value === 'string' ? value : undefined;
}

export function integer(flags: ReadonlyMap<string, FlagValue>, name: string): number | null {
  const value = flags.get(name);
  return typeof value === 'number' ? value : null;
}

export function list(flags: ReadonlyMap<string, FlagValue>, name: string): readonly string[] {
  const value = flags.get(name);
  return Array.isArray(value) ? value : [];
}
