import { Gauge, type Registry } from 'prom-client';
import { degradeStepNames, pressureKinds, type EngineStatus } from '../domain/engine.js';

/** Under which pressure engines stand, and what they give up for it. */
export class PressureGauges {
  readonly #node: string;
  readonly #pressure: Gauge<'node' | 'engine_id' | 'kind'>;
  readonly #degraded: Gauge<'node' | 'engine_id' | 'step'>;

  constructor(registry: Registry, node: string) {
    this.#node = node;
    this.#pressure = new Gauge({
      name: 'infernode_engine_pressure',
      help: 'One series per kind of pressure: 1 while the engine stands under it',
      labelNames: ['node', 'engine_id', 'kind'],
      registers: [registry],
    });
    this.#degraded = new Gauge({
      name: 'infernode_engine_degraded',
      help: 'One series per degradation step in force: 1, from the next start of the engine on',
      labelNames: ['node', 'engine_id', 'step'],
      registers: [registry],
    });
  }

  show({ id, pressure, degraded }: Pick<EngineStatus, 'id' | 'pressure' | 'degraded'>): void {
    const labels = { node: this.#node, engine_id: id };
    for (const kind of pressureKinds)
      this.#pressure.set({ ...labels, kind }, pressure?.includes(kind) ? 1 : 0);
    for (const step of degradeStepNames)
      if (degraded?.includes(step)) this.#degraded.set({ ...labels, step }, 1);
      else this.#degraded.remove({ ...labels, step });
  }

  remove(id: string): void {
    const labels = { node: this.#node, engine_id: id };
    for (const kind of pressureKinds) this.#pressure.remove({ ...labels, kind });
    for (const step of degradeStepNames) this.#degraded.remove({ ...labels, step });
  }
}
