/**
 * An engine that somebody else runs: watched and routed to, never signalled. "Drain" and a bad device only keep new work
 * away; when its server is gone, or makes no step while work waits, it is failed, and ready again when that is over.
 */
import type { AttachedEngineConfig } from '../config/agent-config.js';
import type { EngineStatus } from '../domain/engine.js';
import type { Timer } from '../runtime/clock.js';
import { adapterOf } from './engine-adapters.js';
import type { EngineContext } from './engine-context.js';
import { EnginePressure } from './engine-pressure.js';
import { EngineView } from './engine-view.js';
import type { Hold } from './hold-engine.js';
import { isPageDue, msUntilNextLook } from './next-look.js';
import { EngineProbe, type MetricsAnswer } from './probe-engine.js';
import { ProgressWatch } from './watch-progress.js';

/** A saturated server answers late; this many silent looks in a row are taken for an absence. */
const silentLooks = 5;

export interface AttachedEngineOptions {
  config: AttachedEngineConfig;
  deviceUuids: string[];
  context: Pick<EngineContext, 'clock' | 'inputs' | 'metrics'>;
  onChange: (status: EngineStatus) => void;
}

export class AttachedEngine {
  readonly id: string;
  /** Devices as configured, or as whoever found it says. */
  refs: readonly string[];
  readonly #context: AttachedEngineOptions['context'];
  readonly #probe: EngineProbe;
  readonly #view: EngineView;
  readonly #watchdogMs: number;
  readonly #pressure = new EnginePressure();
  #progress: ProgressWatch;
  /** Why it counts as hung, until its counter moves. */
  #hung: { reason: string; steps: number | null } | null = null;
  #steps: number | null = null;
  #hold: Hold | null = null;
  #drained = false;
  #ending = false;
  #up = false;
  #silent = 0;
  #pageAtMs = Number.NEGATIVE_INFINITY;
  #closed = false;
  #timer: Timer | null = null;

  constructor({ config, deviceUuids, context, onChange }: AttachedEngineOptions) {
    this.id = config.id;
    this.refs = config.devices.map(String);
    const { clock } = context;
    this.#context = context;
    this.#probe = new EngineProbe({ url: config.url, adapter: adapterOf({ adapter: 'vllm' }) });
    const status: EngineStatus = {
      id: config.id,
      origin: 'attached',
      template: null,
      state: 'starting',
      reason: 'not seen yet',
      stateSinceMs: clock.wallMs(),
      servedModels: [],
      url: config.url.replace(/\/$/, ''),
      deviceUuids,
      incarnation: '',
      pid: null,
      cordons: [],
      evicting: false,
      restarts: 0,
      maxConcurrentRequests: config.maxConcurrentRequests,
      load: null,
    };
    this.#watchdogMs = config.watchdogMs;
    this.#view = new EngineView(status, clock, onChange);
    this.#progress = this.#watchProgress();
  }

  get status(): EngineStatus {
    return this.#view.status;
  }

  get hold(): Hold | null {
    return this.#hold;
  }

  /** Resolves after the first look. */
  start(): Promise<void> {
    return this.#look();
  }

  /** True keeps new work away; false takes it back. */
  setDrained(drained: boolean): void {
    this.#drained = drained;
    this.#show();
  }

  /** True: whoever runs it is ending it. */
  setEnding(ending: boolean): void {
    this.#ending = ending;
    this.#show();
  }

  setHold(hold: Hold | null): void {
    this.#hold = hold;
    this.#show();
  }

  updateDevices(deviceUuids: string[]): void {
    this.#view.update({ deviceUuids });
  }

  updateCordons(cordons: EngineStatus['cordons']): void {
    this.#view.update({ cordons });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#progress.close();
    this.#probe.close();
  }

  async #look(): Promise<void> {
    const { clock } = this.#context;
    const health = await this.#probe.health();
    if (this.#closed) return;
    if (health.kind === 'ok') await this.#seen();
    else if (health.kind === 'refused') this.#lost('it refuses connections');
    else if (health.kind === 'dead') this.#lost('/health says that its engine is dead');
    else if (++this.#silent >= silentLooks) this.#lost(`no answer of /health (${health.reason})`);
    if (!this.#closed) this.#timer = clock.after(msUntilNextLook(clock), () => void this.#look());
  }

  async #seen(): Promise<void> {
    this.#silent = 0;
    const nowMs = this.#context.clock.monotonicMs();
    const cameBack = !this.#up;
    const busy = this.#progress.busy || this.#hung !== null;
    if (!cameBack && !isPageDue(busy, nowMs - this.#pageAtMs)) return;
    this.#pageAtMs = nowMs;
    const [metrics, models] = await Promise.all([this.#probe.metrics(), this.#probe.models()]);
    if (this.#closed) return;
    this.#up = true;
    // The server's own start time is the incarnation; without one, the moment at which it was found.
    const found = cameBack ? `found-${Math.round(this.#context.clock.wallMs())}` : this.status.incarnation;
    this.#view.update({
      load: metrics?.load ?? null,
      servedModels: models.length > 0 ? models : this.status.servedModels,
      incarnation: metrics?.startTime ?? found,
    });
    this.#judge(metrics);
    this.#show();
  }

  #judge(page: MetricsAnswer | null): void {
    const { clock } = this.#context;
    if (page) {
      const { load, progress } = page;
      const { preemptions } = progress;
      this.#steps = progress.steps;
      const pressure = this.#pressure.look({ nowMs: clock.monotonicMs(), load, preemptions });
      this.#view.update({ pressure });
    }
    if (this.#hung === null) this.#progress.look(page);
    else if (page && this.#steps !== this.#hung.steps) {
      this.#hung = null;
      this.#progress = this.#watchProgress();
    }
  }

  #watchProgress(): ProgressWatch {
    const { clock, inputs, metrics } = this.#context;
    const uuids = (): string[] => this.status.deviceUuids;
    return new ProgressWatch({
      engineId: this.id,
      run: { deviceUuids: uuids, leaderPid: null, runDir: null },
      model: () => this.status.servedModels[0] ?? '',
      probe: this.#probe,
      inputs,
      clock,
      watchdogMs: this.#watchdogMs,
      onStuck: (reason) => {
        this.#hung = { reason, steps: this.#steps };
        metrics.hung(this.id);
      },
    });
  }

  #lost(reason: string): void {
    this.#up = false;
    this.#view.show('failed', reason, { evicting: true, load: null, pressure: [] });
  }

  #show(): void {
    if (!this.#up) return;
    if (this.#hung) this.#view.show('failed', this.#hung.reason, { evicting: true });
    else if (this.#hold)
      this.#view.show('draining', this.#hold.reason, { evicting: this.#hold.kind === 'evict' });
    else if (this.#drained) this.#view.show('draining', 'drain requested', { evicting: false });
    else if (this.#ending) this.#view.show('draining', 'whoever runs it is ending it', { evicting: false });
    else this.#view.show('ready', '', { evicting: false });
  }
}
