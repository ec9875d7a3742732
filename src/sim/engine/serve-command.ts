import { ApiServer, type Handler } from './api-server.js';
import { controlRoutes } from './control-routes.js';
import { developerRoutes } from './developer-routes.js';
import { engineRoutes } from './engine-routes.js';
import { EngineLog } from './engine-log.js';
import { EngineProcesses } from './engine-processes.js';
import { list, type EngineSettings } from './engine-settings.js';
import { raiseFault, runningFaults, type FaultTargets } from './fault-controller.js';
import { initialAdapters, loraRoutes } from './lora-routes.js';
import { UsageError } from './parse-flags.js';
import { PortReservation } from './port-reservation.js';
import { ServingFaults } from './serving-faults.js';
import { shutDownEngine } from './shut-down.js';
import type { SimulatedEngine } from './simulated-engine.js';
import { SleepState } from './sleep-state.js';
import { EngineStart, type StartedEngine } from './start-engine.js';
import { StartFailure } from './start-failure.js';
import { StartFaults } from './start-faults.js';

/** A dead engine's HTTP server goes within this, before scaling (vLLM's watchdog period). */
const deathWatchMs = 5000;
/** Answers that are on their way out get this long when the server closes. */
const lastBytesMs = 500;
/** Children of a start that was broken off. */
const startGraceMs = 1000;

/** `vllm serve` from its first line to its exit code. */
export class ServeCommand {
  readonly #log: EngineLog;
  readonly #api: ApiServer;
  readonly #processes = new EngineProcesses();
  readonly #faults: StartFaults;
  readonly #start: EngineStart;
  #started: StartedEngine | null = null;
  #reservation: PortReservation | null = null;
  #stopping = false;
  #closing = false;
  #ignoreSignals: boolean;
  #exitHangs = false;
  #finish: (code: number) => void = () => undefined;
  readonly #finished = new Promise<number>((resolve) => (this.#finish = resolve));
  #breakOff: (reason: Error) => void = () => undefined;
  readonly #brokenOff = new Promise<never>((_, reject) => (this.#breakOff = reject));

  constructor(readonly settings: EngineSettings) {
    const { simulation } = settings;
    this.#log = new EngineLog(simulation.version);
    this.#api = new ApiServer(settings, this.#log);
    this.#faults = new StartFaults(simulation.faults, process.env['INFERNODE_SIM_FAULT_FILE']);
    const unknown = this.#faults.later.find(({ fault }) => !(fault in runningFaults));
    if (unknown) throw new UsageError(`INFERNODE_SIM_FAULT: no fault is called "${unknown.fault}"`);
    this.#ignoreSignals = this.#faults.ignoresSignals;
    this.#start = new EngineStart(settings, this.#log, this.#processes, this.#faults);
    this.#processes.onDeath = (rank, code) => this.#childDied(rank, code);
    this.#brokenOff.catch(() => undefined);
  }

  async run(): Promise<number> {
    const onSignal = (signal: NodeJS.Signals): void => this.#signal(signal);
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
    process.title = 'vllm serve';
    // The timers of the load and of faults keep nothing alive, so that none of them delays an exit.
    const keepAlive = setInterval(() => undefined, 1 << 30);
    try {
      this.#start.announce();
      this.#reservation = new PortReservation(this.settings.host, this.settings.port);
      await Promise.race([this.#start.run().then((started) => this.#serve(started)), this.#brokenOff]);
      return await this.#finished;
    } catch (error) {
      return await this.#failStart(error);
    } finally {
      clearInterval(keepAlive);
      this.#release();
    }
  }

  async #serve(started: StartedEngine): Promise<void> {
    this.#started = started;
    const { engine } = started;
    engine.onDeath = () => this.#engineDied();
    const targets = this.#faultTargets(started);
    this.#api.routes = this.#routes(started, targets);
    this.#announceServer();
    await this.#reservation?.listen(this.#api.server);
    this.#reservation = null;
    this.#log.uvicorn('Application startup complete.');
    this.#log.info('api', 'launcher.py:61', 'API server: HTTP server started');
    started.watch?.start({ hang: () => engine.hang(), die: (traceback) => engine.die(traceback) });
    for (const spec of this.#faults.later) raiseFault(targets, spec);
  }

  #routes(started: StartedEngine, targets: FaultTargets): Map<string, Handler> {
    const { engine } = started;
    const { flags, servedNames, developerMode } = this.settings;
    const adapters = initialAdapters(list(flags, 'lora-modules'));
    const sleep = new SleepState(engine, (bytes) => started.hold(bytes));
    return new Map([
      ...engineRoutes({ engine, faults: targets.serving, http: this.#api.metrics, adapters }),
      ...(developerMode ? developerRoutes(engine, sleep) : []),
      ...(process.env['VLLM_ALLOW_RUNTIME_LORA_UPDATING'] === '1' ? loraRoutes(adapters, servedNames) : []),
      ...controlRoutes(targets),
    ]);
  }

  #faultTargets({ engine, compileCache }: StartedEngine): FaultTargets {
    return {
      engine,
      serving: new ServingFaults(),
      processes: this.#processes,
      log: this.#log,
      setDelay: (ms) => (this.#api.delayMs = ms),
      setIgnoreSignals: (ignore) => (this.#ignoreSignals = ignore),
      setExitHangs: (hangs) => (this.#exitHangs = hangs),
      corruptCompileCache: () => compileCache.corrupt(),
      refuseNextStart: (spec) => this.#faults.refuseNext(spec),
      exit: (code) => void this.#close(code),
    };
  }

  #announceServer(): void {
    const { host, port, tasks } = this.settings;
    const names = tasks.map((task) => `'${task}'`).join(', ');
    this.#log.info('api', 'api_server.py:1550', `Supported tasks: [${names}]`);
    this.#log.info('api', 'api_server.py:1623', `Starting vLLM server on http://${host}:${port}`);
    this.#log.info('api', 'launcher.py:29', 'Available routes are:');
    for (const route of this.#api.routes.keys()) {
      const [method, path] = route.split(' ');
      this.#log.info('api', 'launcher.py:37', `Route: ${path}, Methods: ${method}`);
    }
    this.#log.uvicorn(`Started server process [${process.pid}]`);
    this.#log.uvicorn('Waiting for application startup.');
  }

  #childDied(rank: number | null, code: number): void {
    if (this.#stopping) return;
    if (this.#started) return this.#started.engine.childDied(rank, code);
    const who = rank === null ? 'Engine core process EngineCore' : `Worker proc VllmWorker-${rank}`;
    this.#log.error('api', 'core_client.py:600', `${who} died unexpectedly (exit code: ${code})`);
    this.#breakOff(
      new StartFailure(
        'core',
        'Exception: WorkerProc initialization failed due to an exception in a background process.',
      ),
    );
  }

  #engineDied(): void {
    this.#processes.kill();
    if (this.#stopping || process.env['VLLM_KEEP_ALIVE_ON_ENGINE_DEATH'] === '1' || this.#exitHangs) return;
    // The watchdog looks every five seconds; where in its period the death falls depends on the seed.
    const share = 0.4 + 0.6 * ((this.settings.simulation.seed * 0.618) % 1);
    setTimeout(() => void this.#close(0), deathWatchMs * share * this.settings.simulation.timeScale).unref();
  }

  /** The second signal is ignored, as in single-server mode. */
  #signal(signal: NodeJS.Signals): void {
    if (this.#stopping || this.#ignoreSignals) return;
    if (!this.#started) this.#breakOff(new Error('KeyboardInterrupt: terminated'));
    else void this.#shutDown(this.#started.engine, signal);
  }

  async #shutDown(engine: SimulatedEngine, signal: NodeJS.Signals): Promise<void> {
    this.#stopping = true;
    await shutDownEngine(engine, this.#processes, this.#log, signal);
    await this.#close(0);
  }

  async #close(code: number): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#stopping = true;
    this.#log.uvicorn('Shutting down');
    const { server } = this.#api;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    const late = setTimeout(() => server.closeAllConnections(), lastBytesMs);
    await closed;
    clearTimeout(late);
    this.#log.uvicorn('Waiting for application shutdown.');
    this.#log.uvicorn('Application shutdown complete.');
    this.#log.uvicorn(`Finished server process [${process.pid}]`);
    this.#finish(code);
  }

  async #failStart(error: unknown): Promise<number> {
    this.#stopping = true;
    if (error instanceof UsageError) throw error;
    const code = this.#printFailure(error);
    await this.#processes.end(this.#start.stuck ? 0 : startGraceMs);
    return code;
  }

  #printFailure(error: unknown): number {
    if (!(error instanceof StartFailure)) {
      const { code, message } = error as NodeJS.ErrnoException;
      const text = code === 'EADDRINUSE' ? 'OSError: [Errno 98] Address already in use' : message;
      this.#log.stderr(`Traceback (most recent call last):\n${text}\n`);
      return 1;
    }
    const { speaker } = error;
    const failed =
      typeof speaker === 'number' ? 'WorkerProc failed to start.' : 'EngineCore failed to start.';
    this.#log.error(speaker, 'core.py:866', failed);
    this.#log.error(speaker, 'core.py:866', `Traceback (most recent call last):\n${error.traceback}`);
    this.#log.stderr(
      `(APIServer pid=${process.pid}) Traceback (most recent call last):\n(APIServer pid=${process.pid}) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n`,
    );
    return error.exitCode;
  }

  /** Nothing may keep the process alive once its exit code is known. */
  #release(): void {
    this.#reservation?.close();
    this.#started?.engine.destroy();
    this.#started?.watch?.stop();
    this.#processes.kill();
    this.#api.server.closeAllConnections();
  }
}
