import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { CompileCaches } from './compile-caches.js';
import type { EngineInputs } from './engine-inputs.js';
import type { EngineMetrics } from './engine-metrics.js';
import type { PoisonBook } from './poison-book.js';
import type { PortReservation } from './port-reservation.js';
import type { RecentFaults } from './recent-faults.js';
import type { ProfilingTurns } from './profiling-turns.js';
import type { SharedMemoryNews } from './shared-memory-news.js';
import type { DevicesReleased } from './stop-engine.js';

/** What all engines of a node share. */
export interface EngineContext {
  clock: Clock;
  logger: Logger;
  metrics: EngineMetrics;
  /** Path of infernode-keeper. */
  keeperPath: string;
  ports: PortReservation;
  turns: ProfilingTurns;
  caches: CompileCaches;
  devicesReleased: DevicesReleased;
  sharedMemory: SharedMemoryNews;
  inputs: EngineInputs;
  /** What driver and kernel have said lately. */
  faults: RecentFaults;
  poison: PoisonBook;
  settings: EngineSettings;
}

export interface EngineSettings {
  /** `auto`: a cgroup v2 group per engine where one can be made. */
  cgroup: 'auto' | 'off';
  /** Bound of engine.log and its predecessor together, bytes. */
  logMaxBytes: number;
  backoffBaseMs: number;
  backoffCapMs: number;
  /** Between the starts of an engine in a crash loop. */
  crashLoopRetryMs: number;
  /** An engine that was ready for this long has shown that it works: earlier failures no longer count. */
  stableMs: number;
  /** SIGTERM to SIGKILL where the device is dead and waiting helps nobody. */
  evictGraceMs: number;
  /** Death of the last process to its memory gone from the devices; tearing down a large context takes up to about 5 s. */
  releaseLimitMs: number;
  /** How long a start waits for memory that somebody else still holds. */
  gateLimitMs: number;
  /** A lost engine that serves again must do so for this long before its standby goes back to rest. */
  standbyReturnMs: number;
  /** A stuck engine or device is looked at again after this. */
  stuckRecheckMs: number;
}

export const defaultEngineSettings: EngineSettings = {
  cgroup: 'auto',
  logMaxBytes: 64 * 1024 * 1024,
  backoffBaseMs: 1000,
  backoffCapMs: 60_000,
  crashLoopRetryMs: 300_000,
  stableMs: 60_000,
  evictGraceMs: 1000,
  releaseLimitMs: 15_000,
  gateLimitMs: 60_000,
  standbyReturnMs: 60_000,
  stuckRecheckMs: 5000,
};
