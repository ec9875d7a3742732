import { Counter, Gauge, type Registry } from 'prom-client';

/** Of the calls to the Kubernetes API; `what` is one of a handful of fixed words. */
export class KubernetesMetrics {
  readonly #failures;
  readonly #objects;
  readonly #devicePod;

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
    this.#devicePod = new Gauge({
      name: 'infernode_kubernetes_device_pod',
      help: '1 for each container that Kubernetes gave the device, as the kubelet says',
      labelNames: ['device', 'namespace', 'pod', 'container'],
      registers,
    });
  }

  failed(what: string): void {
    this.#failures.inc({ what });
  }

  objects(what: string, count: number): void {
    this.#objects.set({ what }, count);
  }

  /** By device UUID; these and no others. */
  devicePods(all: ReadonlyMap<string, readonly Record<'namespace' | 'pod' | 'container', string>[]>): void {
    this.#devicePod.reset();
    for (const [device, pods] of all)
      for (const { namespace, pod, container } of pods)
        this.#devicePod.set({ device, namespace, pod, container }, 1);
  }
}
