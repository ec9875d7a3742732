import type { Cordon } from './cordon.js';
import type { EngineDeath } from './engine-death.js';

export const engineStates = ['starting', 'ready', 'draining', 'asleep', 'stopped', 'failed'] as const;
export type EngineState = (typeof engineStates)[number];

/** `supervised`: the agent started it and may signal it. `attached`: watched and routed to, never signalled. */
export type EngineOrigin = 'supervised' | 'attached';

/** Phases of a start in the order in which they come; `launch` until the engine has said anything. */
export const startPhases = [
  'launch',
  'arguments',
  'init',
  'weights',
  'compile',
  'profiling',
  'kv-cache',
  'graphs',
  'warm-up',
  'serving',
] as const;
export type StartPhase = (typeof startPhases)[number];

export interface StartProgress {
  phase: StartPhase;
  /** Shards read, or batch sizes captured; `null` in phases that do not count. */
  done: number | null;
  total: number | null;
  /** What is counted, such as `decode, FULL`; empty when there is one kind only. */
  part: string;
}

/** What became of the CUDA graphs of the present run, as its log tells. */
export interface CudaGraphs {
  /** `eager`: none were captured, and decoding of small batches is slower. */
  state: 'captured' | 'eager';
  count: number;
  seconds: number;
  memoryBytes: number;
  /** The kinds that were captured, or the mode that the engine fell back to. */
  mode: string;
  /** Why there are none; empty when there are. */
  reason: string;
  /** Step of the ladder that this start was made with: 0 as configured, 1 fewer sizes, 2 fewer kinds, 3 eager. */
  degradeStep: number;
}

export const standbyKinds = ['warm', 'cold'] as const;
export type StandbyKind = (typeof standbyKinds)[number];

/**
 * What weighs on an engine: requests that wait in it, its KV cache nearly full, requests thrown out of the batch again and again,
 * a device of its own nearly full beyond what it was told to take.
 */
export const pressureKinds = ['queue', 'kv-cache', 'preemptions', 'device-memory'] as const;
export type PressureKind = (typeof pressureKinds)[number];

/** What an engine can give up under pressure, at its next start only. */
export const degradeStepNames = ['fewer-sequences', 'shorter-context', 'kv-fp8'] as const;
export type DegradeStepName = (typeof degradeStepNames)[number];

/** What the node says of one engine. */
export interface EngineStatus {
  id: string;
  origin: EngineOrigin;
  template: string | null;
  state: EngineState;
  /** One sentence: why it is in this state; empty when ready. */
  reason: string;
  stateSinceMs: number;
  /** Model names the engine answers to; the first is the name in its metrics. */
  servedModels: string[];
  /** Base URL, such as `http://127.0.0.1:8001`. */
  url: string;
  /** That it wants to be shown; absent on loopback. Told to coordinators only, and never logged. */
  apiKey?: string | undefined;
  /** It wants a key, told here or not. */
  keyRequired?: boolean;
  deviceUuids: string[];
  /** Start counter kept on disk, as a string; a new one clears what is remembered of the engine. */
  incarnation: string;
  /** Pid of the engine's leader, or `null`. */
  pid: number | null;
  cordons: Cordon[];
  /** True when the work in flight will not finish: requests without a first byte reroute now, streams end with an error. */
  evicting: boolean;
  restarts: number;
  /** Hard cap of concurrent requests; absent leaves it to the coordinator. */
  maxConcurrentRequests?: number;
  load: EngineLoad | null;
  /** The latest bad end, or `null`. */
  lastDeath?: EngineDeath | null;
  /** It has failed again and again and is tried seldom. */
  crashLoop?: boolean;
  /** Of a start under way; absent otherwise. */
  progress?: StartProgress | null;
  /** Absent while not known, and for servers that do not tell. */
  graphs?: CudaGraphs | null;
  /** Takes the place of a lost one: asleep with its weights in host memory, or not started. Absent: it serves. */
  standby?: StandbyKind | null;
  /** Absent: none, or not known. */
  pressure?: PressureKind[];
  /** Degradation steps, in force from the next start on; absent: none. */
  degraded?: DegradeStepName[];
}

/**
 * Hard cap of concurrent requests of an engine that names none: vLLM's own `max_num_seqs` on data-centre GPUs is 256 or
 * more, so that the cap never binds before the engine's queue does.
 */
export const defaultMaxConcurrentRequests = 256;

/** Read from the engine's own metrics; `null` members are series the engine does not have. */
export interface EngineLoad {
  running: number;
  waiting: number;
  kvCacheUsageRatio: number | null;
  /** Size of the KV cache in blocks and tokens per block, from `vllm:cache_config_info`. */
  kvCacheBlocks: number | null;
  kvBlockTokens: number | null;
}
