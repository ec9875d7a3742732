import type { HeldMemory } from './process-file.js';

/** First words to a child: who it is. The API server tells the core, the core tells its workers. */
export type ToChild =
  | { type: 'begin'; title: string; workers: string[] }
  | { type: 'hold'; memory: Omit<HeldMemory, 'devices' | 'name'>; perRank: HeldMemory['devices'][] }
  /** The process sits in a native call: SIGTERM finds nobody. */
  | { type: 'hang' }
  | { type: 'kill-worker'; rank: number; signal: 'SIGKILL' | 'SIGSEGV' | 'SIGABRT' }
  | { type: 'end' };

export type FromChild =
  | { type: 'ready'; workerPids: number[] }
  | { type: 'held' }
  /** SIGTERM came; the core waits for its server, which may have got it too, to say `end`. */
  | { type: 'signalled' }
  | { type: 'worker-died'; rank: number; code: number };
