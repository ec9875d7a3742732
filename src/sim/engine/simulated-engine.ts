import { EngineLoop, type LoopObserver } from './engine-loop.js';
import type { EngineLog } from './engine-log.js';
import { EngineMetrics } from './engine-metrics.js';
import type { EngineProcesses } from './engine-processes.js';
import type { EngineRequest, RequestOutput, RequestParameters } from './engine-request.js';
import type { EngineSettings } from './engine-settings.js';
import type { MemoryPlan } from './memory-plan.js';
import { Scheduler, type EngineStep } from './scheduler.js';
import { seededRandom } from './seeded-random.js';
import { StatsLine } from './stats-line.js';

/** How a request that was under way learns that the engine has died. */
export interface RequestOwner {
  output(output: RequestOutput): void;
  died(): void;
}

/** vLLM's words for a request that met a dead engine. */
export const engineDeadMessage =
  'EngineCore encountered an issue. See stack trace (above) for the root cause.';

const broadcastWarning =
  'No available shared memory broadcast block found in 60 seconds. This typically happens when some processes are hanging or doing some time-consuming work (e.g. compilation, weight/kv cache quantization).';

/**
 * What stands behind the HTTP surface: the loop, its metrics, its processes, and whether it lives. The scheduler runs in
 * the API server's process; the children only hold memory and die.
 */
export class SimulatedEngine implements LoopObserver {
  readonly loop: EngineLoop;
  readonly metrics: EngineMetrics;
  readonly stats: StatsLine;
  /** Set by the first fatal error; never cleared. */
  dead = false;
  /** After SIGTERM: new requests end at once with `abort`. */
  draining = false;
  onDeath: () => void = () => undefined;
  onIdle: () => void = () => undefined;

  readonly #owners = new Map<EngineRequest, RequestOwner>();
  #warnings: NodeJS.Timeout | undefined;
  #hangLimit: NodeJS.Timeout | undefined;

  constructor(
    readonly settings: EngineSettings,
    readonly plan: MemoryPlan,
    readonly log: EngineLog,
    readonly processes: EngineProcesses,
  ) {
    const { flags, simulation } = settings;
    const scheduler = new Scheduler(
      {
        maxSequences: plan.maxSequences,
        maxBatchedTokens: plan.maxBatchedTokens,
        blockSize: settings.blockSize,
        prefixCaching: flags.get('enable-prefix-caching') !== false,
        policy: flags.get('scheduling-policy') === 'priority' ? 'priority' : 'fcfs',
      },
      plan.blocks,
    );
    const random = seededRandom(simulation.seed);
    this.loop = new EngineLoop(scheduler, { ...simulation, random }, this);
    this.metrics = new EngineMetrics(settings, plan);
    const interval = Number(process.env['VLLM_LOG_STATS_INTERVAL'] ?? 10) || 10;
    this.stats = new StatsLine(log, scheduler, Math.max(50, interval * 1000 * simulation.timeScale));
    this.stats.silent = flags.get('disable-log-stats') === true;
  }

  get scheduler(): Scheduler {
    return this.loop.scheduler;
  }

  submit(parameters: RequestParameters, owner: RequestOwner): EngineRequest {
    const request = this.loop.submit(parameters, (output) => owner.output(output));
    this.#owners.set(request, owner);
    if (this.draining) this.loop.abort(request);
    return request;
  }

  abort(request: EngineRequest): void {
    this.loop.abort(request);
  }

  abortById(ids: ReadonlySet<string>): void {
    for (const request of this.#owners.keys()) {
      const external = request.id.replace(/^(chatcmpl|cmpl)-/, '').replace(/-\d+$/, '');
      if (ids.has(request.id) || ids.has(external)) this.loop.abort(request);
    }
  }

  /**
   * A stuck kernel or collective: `/health` stays 200, everything else stops. With workers the core complains each
   * minute and gives up after 300 s; a core that is its own worker waits for ever.
   */
  hang(): void {
    if (this.loop.hung) return;
    this.loop.hang();
    this.stats.silent = true;
    this.processes.hang();
    if (this.processes.workerPids.length === 0) return;
    const seconds = Number(process.env['VLLM_RINGBUFFER_WARNING_INTERVAL'] ?? 60) || 60;
    const warn = (): void => {
      if (this.loop.openRequests > 0)
        this.log.info('core', 'shm_broadcast.py:501', broadcastWarning.replace('60', String(seconds)));
    };
    const { timeScale } = this.settings.simulation;
    this.#warnings = setInterval(warn, seconds * 1000 * timeScale).unref();
    const limit = Number(process.env['VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS'] ?? 300) || 300;
    this.#hangLimit = setTimeout(
      () => this.die('TimeoutError: RPC call to execute_model timed out.'),
      limit * 1000 * timeScale,
    ).unref();
  }

  unhang(): void {
    this.#clearTimers();
    this.stats.silent = this.settings.flags.get('disable-log-stats') === true;
    this.loop.unhang();
  }

  /** The engine core is lost: everything under way fails, `/health` says so, the server goes within 5 s. */
  die(traceback: string, where = 'core.py:862'): void {
    if (this.dead) return;
    this.dead = true;
    this.log.error('core', where, 'EngineCore encountered a fatal error.');
    this.log.error('core', where, `Traceback (most recent call last):\n${traceback}`);
    this.#fail();
  }

  /** A worker or the core was killed from outside. */
  childDied(rank: number | null, code: number): void {
    if (this.dead) return;
    if (rank !== null)
      this.log.error(
        'core',
        'multiproc_executor.py:230',
        `Worker proc VllmWorker-${rank} died unexpectedly (exit code: ${code}), shutting down executor.`,
      );
    else
      this.log.error(
        'api',
        'core_client.py:600',
        `Engine core process EngineCore died unexpectedly (exit code: ${code}).`,
      );
    this.dead = true;
    this.#fail();
  }

  /** Ends without any answer to what is open; for the end of the process. */
  destroy(): void {
    this.#clearTimers();
    this.stats.stop();
    this.loop.stop();
  }

  #clearTimers(): void {
    clearInterval(this.#warnings);
    clearTimeout(this.#hangLimit);
  }

  #fail(): void {
    this.#clearTimers();
    this.loop.stop();
    this.stats.stop();
    this.log.error('api', 'async_llm.py:708', 'AsyncLLM output_handler failed.');
    this.log.error(
      'api',
      'async_llm.py:708',
      `Traceback (most recent call last):\nvllm.v1.engine.exceptions.EngineDeadError: ${engineDeadMessage}`,
    );
    const owners = [...this.#owners.values()];
    this.#owners.clear();
    for (const owner of owners) owner.died();
    this.onDeath();
  }

  // What the loop reports.

  stepped(step: EngineStep, produced: readonly EngineRequest[]): void {
    this.metrics.stepped(step, produced, this.scheduler);
    this.stats.step(step.prefillTokens, produced.length);
    for (const { promptLength, cachedTokens } of step.admitted) this.stats.lookup(promptLength, cachedTokens);
  }

  token(request: EngineRequest, previousMs: number, atMs: number): void {
    this.metrics.token(request, previousMs, atMs);
  }

  finished(request: EngineRequest, atMs: number): void {
    this.#owners.delete(request);
    this.metrics.finished(request, atMs);
  }

  idle(): void {
    this.metrics.gauges(this.scheduler);
    if (this.loop.openRequests === 0) this.onIdle();
  }
}
