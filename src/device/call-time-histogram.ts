/**
 * `infernode_nvml_call_seconds`: the sampler counts its own calls in shared memory, so that measuring costs nothing here;
 * a scrape reads the counts. They go on over samplers: what a new one has counted is added to what the ones before it had.
 */
import type { Registry } from 'prom-client';
import type { CallTimes } from '../native/nvml.js';

/** What can tell how long its calls took: a sampler. */
export interface CallTimesSource {
  readCallTimes(): CallTimes[];
}

type Labels = Record<string, string | number>;

export class CallTimeHistogram {
  readonly name = 'infernode_nvml_call_seconds';
  readonly help = 'How long calls of the driver library took; a call that has not returned is not among them';
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  readonly #node: string;
  readonly #bounds: () => readonly number[];
  /** Of samplers that are gone. */
  #before = new Map<string, CallTimes>();
  #source: CallTimesSource | null = null;
  #newest = new Map<string, CallTimes>();

  /** `bounds`: upper bounds of the counts, seconds. */
  constructor(registry: Registry, node: string, bounds: () => readonly number[]) {
    this.#node = node;
    this.#bounds = bounds;
    registry.registerMetric(this as never);
  }

  show(source: CallTimesSource | null): void {
    if (source === this.#source) return;
    this.#read();
    for (const times of this.#newest.values()) this.#before.set(times.call, this.#sum(times));
    this.#newest = new Map();
    this.#source = source;
  }

  reset(): void {
    this.#before = new Map();
  }

  /** What the registry asks for at each scrape. */
  async get(): Promise<object> {
    this.#read();
    const { name, help, type, aggregator } = this;
    const calls = new Set([...this.#before.keys(), ...this.#newest.keys()]);
    const values = [...calls].flatMap((call) =>
      this.#valuesOf(this.#sum(this.#newest.get(call) ?? { call, seconds: 0, counts: [] })),
    );
    return { name, help, type, aggregator, values };
  }

  #read(): void {
    const times = this.#source?.readCallTimes() ?? [];
    // A sampler that has ended tells nothing any more; what it told last stands.
    if (times.length > 0) this.#newest = new Map(times.map((t) => [t.call, t]));
  }

  #sum({ call, seconds, counts }: CallTimes): CallTimes {
    const before = this.#before.get(call);
    if (!before) return { call, seconds, counts };
    return {
      call,
      seconds: before.seconds + seconds,
      counts: before.counts.map((count, n) => count + (counts[n] ?? 0)),
    };
  }

  #valuesOf({ call, seconds, counts }: CallTimes): { metricName: string; labels: Labels; value: number }[] {
    const labels = { node: this.#node, call };
    const bounds = [...this.#bounds(), '+Inf'];
    let below = 0;
    const buckets = counts.map((count, n) => ({
      metricName: `${this.name}_bucket`,
      labels: { ...labels, le: bounds[n] ?? '+Inf' },
      value: (below += count),
    }));
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels, value: seconds },
      { metricName: `${this.name}_count`, labels, value: below },
    ];
  }
}
