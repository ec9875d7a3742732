import { ApiServer } from './api-server.js';
import { engineRoutes } from './engine-routes.js';
import { EngineLog } from './engine-log.js';
import { EngineProcesses } from './engine-processes.js';
import type { EngineSettings } from './engine-settings.js';
import { GpuNode, type GpuDevice } from './gpu-node.js';
import { loadEngine, type LoadPhase } from './load-engine.js';
import { planMemory, type MemoryPlan } from './memory-plan.js';
import { PortReservation } from './port-reservation.js';
import { seededRandom } from './seeded-random.js';
import { ServingFaults } from './serving-faults.js';
import { SimulatedEngine } from './simulated-engine.js';
import { StartFailure } from './start-failure.js';
import { isAtLeast } from './vllm-version.js';

/** Real milliseconds; how long children may take to end once asked. */
const childGraceMs = 5000;
/** A dead engine's HTTP server goes within this, before scaling (vLLM's watchdog period). */
const deathWatchMs = 5000;

/** `vllm serve` from its first line to its exit code. */
export class ServeCommand {
  readonly #log: EngineLog;
  readonly #api: ApiServer;
  readonly #processes = new EngineProcesses();
  readonly #node: GpuNode | null;
  readonly #random: () => number;
  #engine: SimulatedEngine | null = null;
  #reservation: PortReservation | null = null;
  #finish: (code: number) => void = () => undefined;
  readonly #finished = new Promise<number>((resolve) => (this.#finish = resolve));
  #interrupt: (reason: Error) => void = () => undefined;
  readonly #interrupted = new Promise<never>((_, reject) => (this.#interrupt = reject));
  #stopping = false;

  constructor(readonly settings: EngineSettings) {
    const { simulation } = settings;
    this.#log = new EngineLog(simulation.version);
    this.#api = new ApiServer(settings, this.#log);
    this.#node = simulation.nodeDirectory === null ? null : new GpuNode(simulation.nodeDirectory);
    this.#random = seededRandom(simulation.seed ^ 0x10ad);
    this.#interrupted.catch(() => undefined);
  }

  async run(): Promise<number> {
    const onSignal = (signal: NodeJS.Signals): void => this.#signal(signal);
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
    process.title = 'vllm serve';
    try {
      await Promise.race([this.#start(), this.#interrupted]);
      return await this.#finished;
    } catch (error) {
      return await this.#failStart(error);
    } finally {
      this.#release();
    }
  }

  async #start(): Promise<void> {
    const { settings } = this;
    this.#announce();
    this.#reservation = new PortReservation(settings.host, settings.port);
    const world = settings.tensorParallel * settings.pipelineParallel;
    await this.#startProcesses(world);
    const devices = this.#devices(world);
    const free = devices.map(({ uuid, totalBytes }) => totalBytes - (this.#node?.usedBytes(uuid) ?? 0));
    const plan = planMemory(settings, devices, free);
    await this.#load(plan, devices);
    await this.#serve(plan);
  }

  #announce(): void {
    const { model, flags, simulation } = this.settings;
    const older = isAtLeast(simulation.version, '0.11') ? '' : 'API ';
    this.#log.info('api', 'utils.py:299', `vLLM ${older}server version ${simulation.version}`);
    const given = [...flags].map(([name, value]) => `'${name.replace(/-/g, '_')}': ${JSON.stringify(value)}`);
    this.#log.info('api', 'utils.py:233', `non-default args: {'model_tag': '${model}', ${given.join(', ')}}`);
  }

  async #startProcesses(world: number): Promise<void> {
    const name = process.env['VLLM_PROCESS_NAME_PREFIX'] ?? 'VLLM';
    const titles = Array.from(
      { length: world > 1 ? world : 0 },
      (_, rank) => `${name}::${this.#log.speakerName(rank)}`,
    );
    this.#processes.onDeath = (rank, code) => this.#childDied(rank, code);
    await this.#processes.start(`${name}::${this.#log.speakerName('core')}`, titles);
    this.#log.setPid('core', this.#processes.corePid);
    this.#processes.workerPids.forEach((pid, rank) => this.#log.setPid(rank, pid));
  }

  #devices(world: number): GpuDevice[] {
    if (!this.#node) return [];
    const devices = this.#node.visibleDevices(process.env['CUDA_VISIBLE_DEVICES']);
    if (devices.length < world)
      throw new StartFailure(
        'core',
        `ValueError: World size (${world}) is larger than the number of available GPUs (${devices.length}) in this node.`,
      );
    return devices.slice(0, world);
  }

  async #load(plan: MemoryPlan, devices: readonly GpuDevice[]): Promise<void> {
    const { simulation } = this.settings;
    const memory = {
      nodeDirectory: simulation.nodeDirectory ?? '',
      releaseDelayMs: simulation.releaseDelayMs,
    };
    await loadEngine({
      settings: this.settings,
      log: this.#log,
      plan,
      warm: true,
      random: this.#random,
      wait: (share) => this.#pause(share * simulation.loadMs * simulation.timeScale),
      hold: (bytes) => {
        if (devices.length > 0)
          this.#processes.hold(
            memory,
            devices.map(({ uuid }) => [{ uuid, bytes: Math.round(bytes) }]),
          );
      },
      enter: (_phase: LoadPhase) => undefined,
    });
  }

  async #serve(plan: MemoryPlan): Promise<void> {
    const engine = new SimulatedEngine(this.settings, plan, this.#log, this.#processes);
    engine.onDeath = () => this.#engineDied();
    this.#engine = engine;
    const faults = new ServingFaults();
    this.#api.routes = engineRoutes({ engine, api: this.#api, faults, adapters: new Map() });
    const { host, port } = this.settings;
    this.#log.info(
      'api',
      'api_server.py:1550',
      `Supported tasks: [${this.settings.tasks.map((t) => `'${t}'`).join(', ')}]`,
    );
    this.#log.info('api', 'api_server.py:1623', `Starting vLLM server on http://${host}:${port}`);
    this.#log.info('api', 'launcher.py:29', 'Available routes are:');
    for (const route of this.#api.routes.keys()) {
      const [method, path] = route.split(' ');
      this.#log.info('api', 'launcher.py:37', `Route: ${path}, Methods: ${method}`);
    }
    this.#log.uvicorn(`Started server process [${process.pid}]`);
    this.#log.uvicorn('Waiting for application startup.');
    await this.#reservation!.listen(this.#api.server);
    this.#reservation = null;
    this.#log.uvicorn('Application startup complete.');
    this.#log.info('api', 'launcher.py:61', 'API server: HTTP server started');
  }

  #childDied(rank: number | null, code: number): void {
    if (this.#stopping) return;
    if (this.#engine) this.#engine.childDied(rank, code);
    else
      this.#interrupt(
        new StartFailure(
          'core',
          `Exception: WorkerProc initialization failed due to an exception in a background process. (exit code: ${code})`,
        ),
      );
  }

  #engineDied(): void {
    this.#processes.kill();
    if (process.env['VLLM_KEEP_ALIVE_ON_ENGINE_DEATH'] === '1') return;
    // The watchdog looks every five seconds; where in its period the death falls is chance.
    const delay = deathWatchMs * (0.4 + 0.6 * this.#random()) * this.settings.simulation.timeScale;
    setTimeout(() => void this.#close(0), delay);
  }

  #signal(_signal: NodeJS.Signals): void {
    if (this.#stopping) return;
    if (!this.#engine) this.#interrupt(new Error('KeyboardInterrupt: terminated'));
    else void this.#shutDown(this.#engine);
  }

  async #shutDown(engine: SimulatedEngine): Promise<void> {
    this.#stopping = true;
    engine.draining = true;
    engine.loop.abortAll();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await this.#processes.end(childGraceMs * this.settings.simulation.timeScale);
    await this.#close(0);
  }

  async #close(code: number): Promise<void> {
    this.#stopping = true;
    this.#log.uvicorn('Shutting down');
    this.#engine?.destroy();
    const closed = new Promise<void>((resolve) => this.#api.server.close(() => resolve()));
    this.#api.server.closeAllConnections();
    await closed;
    this.#log.uvicorn('Application shutdown complete.');
    this.#log.uvicorn(`Finished server process [${process.pid}]`);
    this.#finish(code);
  }

  async #failStart(error: unknown): Promise<number> {
    this.#stopping = true;
    const code = this.#printFailure(error);
    await this.#processes.end(childGraceMs);
    return code;
  }

  #printFailure(error: unknown): number {
    if (error instanceof StartFailure) {
      this.#log.error(error.speaker, 'core.py:866', 'EngineCore failed to start.');
      this.#log.error(error.speaker, 'core.py:866', `Traceback (most recent call last):\n${error.traceback}`);
      this.#log.stderr(
        'Traceback (most recent call last):\nRuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n',
      );
      return error.exitCode;
    }
    const { code, message } = error as NodeJS.ErrnoException;
    const text = code === 'EADDRINUSE' ? 'OSError: [Errno 98] Address already in use' : message;
    this.#log.stderr(`Traceback (most recent call last):\n${text}\n`);
    return 1;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** Nothing may keep the process alive once its exit code is known. */
  #release(): void {
    this.#reservation?.close();
    this.#engine?.destroy();
    this.#processes.kill();
    process.removeAllListeners('SIGTERM');
    process.removeAllListeners('SIGINT');
    process.on('SIGTERM', () => undefined);
  }
}
