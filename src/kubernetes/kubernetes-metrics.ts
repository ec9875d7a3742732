import { Counter, Gauge, type Registry } from 'prom-client';

/** Of the calls to the Kubernetes API; `what` is one of a handful of fixed words. */
export class KubernetesMetrics {
  readonly #failures;
  readonly #objects;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#failures = new Counter({
      name: 'infernode_kubernetes_failures_total',
      help: 'Calls and watches of the Kubernetes API that failed; what was known before stays in use',
      labelNames: ['what'],
      registers,
    });
    this.#objects = new Gauge({
      name: 'infernode_kubernetes_objects',
      help: 'Objects that a watch of the Kubernetes API holds',
      labelNames: ['what'],
      registers,
    });
  }

  failed(what: string): void {
    this.#failures.inc({ what });
  }

  objects(what: string, count: number): void {
    this.#objects.set({ what }, count);
  }
}
