import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { engineStates, type EngineStatus } from '../domain/engine.js';
import type { CauseClass } from './explain-exit.js';
import { StartGauges } from './start-gauges.js';
import { PressureGauges } from './pressure-gauges.js';
import type { StopReport } from '../domain/engine-death.js';

type EngineLabels = 'node' | 'engine_id';

/** What the supervision of the node's engines does. Series of an engine are born when it is first shown and leave with it. */
export class EngineMetrics {
  readonly setAside: Counter<'node' | 'reason'>;
  readonly #node: string;
  readonly #state: Gauge<EngineLabels | 'state'>;
  readonly #restarts: Counter<EngineLabels>;
  /** Those with one series for each engine. */
  readonly #counted: readonly Counter<EngineLabels>[];
  readonly #start: Histogram<EngineLabels>;
  readonly #adopted: Counter<'node'>;
  readonly #stops: Counter<EngineLabels | 'outcome'>;
  readonly #stopSeconds: Histogram<EngineLabels>;
  readonly #exits: Counter<EngineLabels | 'cause'>;
  readonly #cachesCleared: Counter<EngineLabels>;
  readonly #starts: StartGauges;
  readonly #pressure: PressureGauges;
  readonly #unclearProbes: Counter<EngineLabels>;
  readonly #hangs: Counter<EngineLabels>;
  readonly #promotions: Counter<EngineLabels>;
  readonly #wake: Histogram<EngineLabels>;
  readonly #unprovenSteps: Counter<EngineLabels | 'step'>;
  readonly #stuckDevices: Gauge<'node' | 'device'>;

  constructor(registry: Registry, node: string) {
    const registers = [registry];
    this.#node = node;
    this.#state = new Gauge({
      name: 'infernode_engine_state',
      help: 'State of an engine: one series per state, 1 for the current one',
      labelNames: ['node', 'engine_id', 'state'],
      registers,
    });
    this.#restarts = new Counter({
      name: 'infernode_engine_restarts_total',
      help: 'Starts of an engine after an end that nobody asked for',
      labelNames: ['node', 'engine_id'],
      registers,
    });
    this.#start = new Histogram({
      name: 'infernode_engine_start_seconds',
      help: 'From launch to the first 200 of /health',
      labelNames: ['node', 'engine_id'],
      buckets: [1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1800],
      registers,
    });
    this.#adopted = new Counter({
      name: 'infernode_engine_adopted_total',
      help: 'Running engines taken over from an earlier agent process',
      labelNames: ['node'],
      registers,
    });
    this.#stops = new Counter({
      name: 'infernode_engine_stop_outcome_total',
      help: 'Ends of engines by what was proven: clean, killed, processes-stuck, device-stuck',
      labelNames: ['node', 'engine_id', 'outcome'],
      registers,
    });
    this.#stopSeconds = new Histogram({
      name: 'infernode_engine_stop_seconds',
      help: 'From the decision to end an engine, or its death, to its memory proven free',
      labelNames: ['node', 'engine_id'],
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60],
      registers,
    });
    this.#exits = new Counter({
      name: 'infernode_engine_crashes_total',
      help: 'Ends that nobody asked for, by class of cause',
      labelNames: ['node', 'engine_id', 'cause'],
      registers,
    });
    this.#unclearProbes = new Counter({
      name: 'infernode_engine_unclear_probes_total',
      help: 'Health probes that were late or odd, which proves nothing',
      labelNames: ['node', 'engine_id'],
      registers,
    });
    this.#wake = new Histogram({
      name: 'infernode_engine_wake_seconds',
      help: 'From the wish to wake an engine to its first token',
      labelNames: ['node', 'engine_id'],
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
      registers,
    });
    this.#promotions = new Counter({
      name: 'infernode_engine_promotions_total',
      help: 'Standby engines that took the place of a lost one',
      labelNames: ['node', 'engine_id'],
      registers,
    });
    this.#hangs = new Counter({
      name: 'infernode_engine_hangs_total',
      help: 'Engines ended because work waited and nothing moved',
      labelNames: ['node', 'engine_id'],
      registers,
    });
    this.#unprovenSteps = new Counter({
      name: 'infernode_engine_unproven_steps_total',
      help: 'Steps of the end of an engine that could not be proven',
      labelNames: ['node', 'engine_id', 'step'],
      registers,
    });
    this.#stuckDevices = new Gauge({
      name: 'infernode_engine_device_stuck',
      help: 'Devices on which nothing is started because the end of an engine is not proven: 1 while so',
      labelNames: ['node', 'device'],
      registers,
    });
    this.#cachesCleared = new Counter({
      name: 'infernode_engine_compile_caches_cleared_total',
      help: 'Compile caches thrown away after a compile error or two identical start failures',
      labelNames: ['node', 'engine_id'],
      registers,
    });
    this.#counted = [this.#restarts, this.#unclearProbes, this.#hangs, this.#cachesCleared];
    this.#starts = new StartGauges(registry, node);
    this.#pressure = new PressureGauges(registry, node);
    this.setAside = new Counter({
      name: 'infernode_engine_state_files_set_aside_total',
      help: 'State files that were truncated or foreign and were not used',
      labelNames: ['node', 'reason'],
      registers,
    });
  }

  show(status: EngineStatus): void {
    const { id, state } = status;
    this.#starts.show(status);
    this.#pressure.show(status);
    for (const name of engineStates)
      this.#state.set({ ...this.#labels(id), state: name }, name === state ? 1 : 0);
    // A counter that is born at its first event hides that event from `increase()`, and from every alert on it.
    for (const counter of this.#counted) counter.inc(this.#labels(id), 0);
  }

  remove(id: string): void {
    this.#starts.remove(id);
    this.#pressure.remove(id);
    for (const name of engineStates) this.#state.remove({ ...this.#labels(id), state: name });
    for (const counter of this.#counted) counter.remove(this.#labels(id));
  }

  restarted(id: string): void {
    this.#restarts.inc(this.#labels(id));
  }

  started(id: string, ms: number): void {
    this.#start.observe(this.#labels(id), ms / 1000);
  }

  adopted(): void {
    this.#adopted.inc({ node: this.#node });
  }

  stopped(id: string, { outcome, tookMs, steps }: StopReport): void {
    this.#stops.inc({ ...this.#labels(id), outcome });
    this.#stopSeconds.observe(this.#labels(id), tookMs / 1000);
    for (const { step, proven } of steps)
      // A drain or a SIGTERM that was not enough is followed by more; the others are the proof itself.
      if (!proven && step !== 'drain' && step !== 'terminate')
        this.#unprovenSteps.inc({ ...this.#labels(id), step });
  }

  deviceStuck(device: string, stuck: boolean): void {
    const labels = { node: this.#node, device };
    if (stuck) this.#stuckDevices.set(labels, 1);
    else this.#stuckDevices.remove(labels);
  }

  crashed(id: string, cause: CauseClass): void {
    this.#exits.inc({ ...this.#labels(id), cause });
  }

  unclearProbe(id: string): void {
    this.#unclearProbes.inc(this.#labels(id));
  }

  promoted(id: string): void {
    this.#promotions.inc(this.#labels(id));
  }

  woke(id: string, ms: number): void {
    this.#wake.observe(this.#labels(id), ms / 1000);
  }

  hung(id: string): void {
    this.#hangs.inc(this.#labels(id));
  }

  compileCacheCleared(id: string): void {
    this.#cachesCleared.inc(this.#labels(id));
  }

  stateFileSetAside(reason: 'unreadable' | 'other-boot'): void {
    this.setAside.inc({ node: this.#node, reason });
  }

  #labels(id: string): Record<EngineLabels, string> {
    return { node: this.#node, engine_id: id };
  }
}
