import { Gauge, type Registry } from 'prom-client';
import { startPhases, type EngineStatus } from '../domain/engine.js';

type EngineLabels = 'node' | 'engine_id';

/** How far starts have come, and what became of the CUDA graphs of those that serve. */
export class StartGauges {
  readonly #node: string;
  readonly #phase: Gauge<EngineLabels | 'phase'>;
  readonly #progress: Gauge<EngineLabels>;
  readonly #eager: Gauge<EngineLabels>;
  readonly #step: Gauge<EngineLabels>;
  readonly #count: Gauge<EngineLabels>;
  readonly #seconds: Gauge<EngineLabels>;
  readonly #bytes: Gauge<EngineLabels>;

  constructor(registry: Registry, node: string) {
    this.#node = node;
    const gauge = (name: string, help: string): Gauge<EngineLabels> =>
      new Gauge({ name, help, labelNames: ['node', 'engine_id'], registers: [registry] });
    this.#phase = new Gauge({
      name: 'infernode_engine_start_phase',
      help: 'Phase of a start under way: one series per phase, 1 for the current one',
      labelNames: ['node', 'engine_id', 'phase'],
      registers: [registry],
    });
    this.#progress = gauge('infernode_engine_start_progress_ratio', 'Share of a counted phase that is done');
    this.#eager = gauge('infernode_engine_eager', '1 when a serving engine has no CUDA graphs');
    this.#step = gauge('infernode_engine_graph_degrade_step', 'Step of the ladder: 0 as configured, 3 eager');
    this.#count = gauge('infernode_engine_graphs_captured', 'CUDA graphs captured by the present run');
    this.#seconds = gauge('infernode_engine_graph_capture_seconds', 'Time that the capture took');
    this.#bytes = gauge('infernode_engine_graph_memory_bytes', 'Memory that the graphs took');
  }

  show({ id, state, progress, graphs }: EngineStatus): void {
    const labels = { node: this.#node, engine_id: id };
    for (const phase of startPhases) {
      if (state === 'starting')
        this.#phase.set({ ...labels, phase }, phase === (progress?.phase ?? 'launch') ? 1 : 0);
      else this.#phase.remove({ ...labels, phase });
    }
    if (progress?.done && progress.total) this.#progress.set(labels, progress.done / progress.total);
    else this.#progress.remove(labels);
    if (!graphs) return this.#forgetGraphs(labels);
    this.#eager.set(labels, graphs.state === 'eager' ? 1 : 0);
    this.#step.set(labels, graphs.degradeStep);
    this.#count.set(labels, graphs.count);
    this.#seconds.set(labels, graphs.seconds);
    this.#bytes.set(labels, graphs.memoryBytes);
  }

  remove(id: string): void {
    const labels = { node: this.#node, engine_id: id };
    for (const phase of startPhases) this.#phase.remove({ ...labels, phase });
    this.#progress.remove(labels);
    this.#forgetGraphs(labels);
  }

  #forgetGraphs(labels: Record<EngineLabels, string>): void {
    for (const gauge of [this.#eager, this.#step, this.#count, this.#seconds, this.#bytes])
      gauge.remove(labels);
  }
}
