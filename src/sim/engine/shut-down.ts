import type { EngineLog } from './engine-log.js';
import type { EngineProcesses } from './engine-processes.js';
import type { SimulatedEngine } from './simulated-engine.js';
import { isAtLeast } from './vllm-version.js';

/** Children get this long once asked, before scaling; vLLM's VLLM_WORKER_SHUTDOWN_TIMEOUT_SECONDS. */
const childGraceMs = 5000;
/** Aborting what runs needs at most one step of the engine. */
const abortGraceMs = 2000;

/**
 * An orderly stop: running requests end with `abort` at once, or go on for `--shutdown-timeout` seconds; new ones end at
 * once; then the engine's processes go. A hung engine answers nothing, so its processes are killed after the grace.
 */
export async function shutDownEngine(
  engine: SimulatedEngine,
  processes: EngineProcesses,
  log: EngineLog,
  signal: NodeJS.Signals,
): Promise<void> {
  const { shutdownTimeoutSeconds, simulation } = engine.settings;
  const say = (who: 'api' | 'core', text: string): void => {
    if (isAtLeast(simulation.version, '0.23')) log.info(who, 'shutdown.py:41', `[shutdown] ${text}`);
  };
  const mode = shutdownTimeoutSeconds > 0 ? 'drain' : 'abort';
  say('api', 'API server: shutdown triggered');
  say('api', `API server: stopping engine client mode=${mode} timeout=${shutdownTimeoutSeconds}s`);
  say('core', `EngineCore: trigger received signal=${signal}`);
  engine.draining = true;
  if (mode === 'drain') await idleWithin(engine, shutdownTimeoutSeconds * 1000 * simulation.timeScale);
  engine.loop.abortAll();
  if (!engine.loop.hung) await idleWithin(engine, abortGraceMs);
  say('core', 'EngineCore: request processing complete; starting resource teardown');
  if (processes.workerPids.length > 0) say('core', 'Executor: waiting for worker exit');
  const clean = await processes.end(childGraceMs * simulation.timeScale);
  if (!clean) say('api', 'API server: force killing EngineCore');
}

/** Resolves when no request is open, or after `limitMs`. */
function idleWithin(engine: SimulatedEngine, limitMs: number): Promise<void> {
  if (engine.loop.openRequests === 0) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      engine.onIdle = () => undefined;
      resolve();
    };
    const timer = setTimeout(done, limitMs);
    engine.onIdle = done;
  });
}
