import { CompileCache } from './compile-cache.js';
import type { EngineLog } from './engine-log.js';
import type { EngineProcesses } from './engine-processes.js';
import type { EngineSettings } from './engine-settings.js';
import { GpuNode, type GpuDevice } from './gpu-node.js';
import { GpuWatch } from './gpu-watch.js';
import { loadEngine, type LoadPhase } from './load-engine.js';
import { planMemory } from './memory-plan.js';
import { seededRandom } from './seeded-random.js';
import { SimulatedEngine } from './simulated-engine.js';
import { StartFailure } from './start-failure.js';
import type { StartFaults } from './start-faults.js';
import { isAtLeast } from './vllm-version.js';

export interface StartedEngine {
  engine: SimulatedEngine;
  watch: GpuWatch | null;
  compileCache: CompileCache;
  /** Sets what every rank holds on its device; sleep gives memory back with it. */
  hold(bytesPerRank: number): void;
}

/** From the first log line to a loaded engine: processes, memory, phases. The port is the caller's business. */
export class EngineStart {
  /** The load sits in a native call and will never end. */
  stuck = false;
  readonly #node: GpuNode | null;
  readonly #random: () => number;
  #devices: GpuDevice[] = [];

  constructor(
    private readonly settings: EngineSettings,
    private readonly log: EngineLog,
    private readonly processes: EngineProcesses,
    private readonly faults: StartFaults,
  ) {
    const { simulation } = settings;
    this.#node = simulation.nodeDirectory === null ? null : new GpuNode(simulation.nodeDirectory);
    this.#random = seededRandom(simulation.seed ^ 0x10ad);
  }

  /** Rejects with StartFailure; never settles when the load got stuck. */
  async run(): Promise<StartedEngine> {
    const { settings, log, processes } = this;
    await this.#startProcesses();
    this.#devices = this.#visibleDevices();
    const watch = this.#node && new GpuWatch(this.#node, this.#devices);
    watch?.checkStart();
    const free = this.#devices.map(({ uuid, totalBytes }) => totalBytes - (this.#node?.usedBytes(uuid) ?? 0));
    const compileCache = this.#compileCache();
    const plan = planMemory(settings, this.#devices, free);
    const victim = { hang: () => this.#getStuck(), die: () => this.#getStuck() };
    watch?.start(victim);
    const { simulation } = settings;
    await loadEngine({
      settings,
      log,
      plan,
      warm: compileCache.state() === 'warm',
      random: this.#random,
      wait: (share) => this.#wait(share * simulation.loadMs * simulation.timeScale * this.faults.slowFactor),
      hold: (bytes) => this.#hold(bytes),
      enter: (phase) => this.#enter(phase, compileCache),
    });
    watch?.stop();
    const engine = new SimulatedEngine(settings, plan, log, processes);
    return { engine, watch, compileCache, hold: (bytes) => this.#hold(bytes) };
  }

  announce(): void {
    const { model, flags, simulation } = this.settings;
    const older = isAtLeast(simulation.version, '0.11') ? '' : 'API ';
    this.log.info('api', 'utils.py:299', `vLLM ${older}server version ${simulation.version}`);
    const given = [...flags].map(
      ([name, value]) => `, '${name.replace(/-/g, '_')}': ${JSON.stringify(value)}`,
    );
    this.log.info('api', 'utils.py:233', `non-default args: {'model_tag': '${model}'${given.join('')}}`);
  }

  async #startProcesses(): Promise<void> {
    const { settings, log, processes } = this;
    const world = settings.tensorParallel * settings.pipelineParallel;
    const prefix = process.env['VLLM_PROCESS_NAME_PREFIX'] ?? 'VLLM';
    const titles = Array.from(
      { length: world > 1 ? world : 0 },
      (_, rank) => `${prefix}::${log.speakerName(rank)}`,
    );
    await processes.start(`${prefix}::${log.speakerName('core')}`, titles);
    log.setPid('core', processes.corePid);
    processes.workerPids.forEach((pid, rank) => log.setPid(rank, pid));
  }

  #visibleDevices(): GpuDevice[] {
    if (!this.#node) return [];
    const world = this.settings.tensorParallel * this.settings.pipelineParallel;
    const devices = this.#node.visibleDevices(process.env['CUDA_VISIBLE_DEVICES']);
    if (devices.length >= world) return devices.slice(0, world);
    throw new StartFailure(
      'core',
      `ValueError: World size (${world}) is larger than the number of available GPUs (${devices.length}) in this node. If this is intentional and you are using: - ray, set '--distributed-executor-backend ray'.`,
    );
  }

  #compileCache(): CompileCache {
    const disabled = process.env['VLLM_DISABLE_COMPILE_CACHE'] === '1';
    const cache = new CompileCache(this.settings, process.env['VLLM_CACHE_ROOT'], disabled);
    if (this.faults.corruptsCompileCache) cache.corrupt();
    return cache;
  }

  #enter(phase: LoadPhase, cache: CompileCache): void {
    const eager = this.settings.flags.get('enforce-eager') === true;
    const next = this.faults.enter(phase, eager);
    if (next === 'stuck') this.#getStuck();
    if (next === 'crash') this.processes.killWorker(0, 'SIGKILL');
    if (phase === 'compile' && !eager && cache.state() === 'corrupt')
      throw new StartFailure(
        'core',
        'RuntimeError: vLLM failed to compile the model. The most likely reason for this is a corrupted compile cache artifact.',
      );
    if (phase === 'kv' && !eager && cache.state() === 'cold') cache.store(this.faults.corruptsCompileCache);
  }

  #getStuck(): void {
    this.stuck = true;
    this.processes.hang();
  }

  #hold(bytesPerRank: number): void {
    const { nodeDirectory, releaseDelayMs } = this.settings.simulation;
    if (nodeDirectory === null || this.#devices.length === 0) return;
    const bytes = Math.round(bytesPerRank);
    const perRank = this.#devices.map(({ uuid }) => [{ uuid, bytes }]);
    this.processes.hold({ nodeDirectory, releaseDelayMs }, perRank);
  }

  /** A stuck load waits for ever. The timer keeps nothing alive, so a start that is broken off ends at once. */
  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(() => this.stuck || resolve(), ms).unref());
  }
}
