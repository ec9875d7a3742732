import { Counter, Gauge, type Registry } from 'prom-client';
import type { Clock } from '../runtime/clock.js';
import { removeSeries } from '../runtime/remove-series.js';
import type { InMemoryModelPlacement } from './model-placement.js';
import { healthBreaches } from './health-rule.js';
import type { PlacementObserver } from './placement-types.js';

const breakerStates = ['closed', 'open', 'half-open'] as const;

/** What placement decides, counted; and its view of the load, read when scraped. Only the roots create it. */
export class PlacementMetrics {
  readonly #decisions: Counter<'model' | 'outcome'>;
  readonly #refusals: Counter<'model' | 'refusal'>;
  readonly #placements = new Map<string, InMemoryModelPlacement>();

  constructor(registry: Registry, clock: Pick<Clock, 'monotonicMs'>) {
    const registers = [registry];
    this.#decisions = new Counter({
      name: 'infernode_placement_decisions_total',
      help: 'Placement decisions by outcome: home, remembered, spilled, capped, none-eligible',
      labelNames: ['model', 'outcome'],
      registers,
    });
    this.#refusals = new Counter({
      name: 'infernode_placement_refusals_total',
      help: 'Endpoints that were not considered for a request, by reason',
      labelNames: ['model', 'refusal'],
      registers,
    });
    this.#addEndpointGauges(registry);
    this.#addBreakerGauge(registry, clock);
    this.#addHealthGauge(registry);
    this.#addMemoryMetrics(registry);
  }

  /** Given to the placement of that model when it is made. */
  observerFor(model: string): PlacementObserver {
    return {
      decided: (outcome) => this.#decisions.inc({ model, outcome }),
      refused: (refusal) => this.#refusals.inc({ model, refusal }),
    };
  }

  /** Shows the model's load from now on. */
  watch(model: string, placement: InMemoryModelPlacement): void {
    this.#placements.set(model, placement);
  }

  /** Models that have series. */
  async models(): Promise<Set<string>> {
    const counted = (await this.#decisions.get()).values.map(({ labels }) => String(labels.model));
    return new Set([...this.#placements.keys(), ...counted]);
  }

  /** Lets go of a model that nobody serves any more, and of its placement. */
  async forget(model: string): Promise<void> {
    this.#placements.delete(model);
    await removeSeries([this.#decisions, this.#refusals] as Counter[], 'model', model);
  }

  #addEndpointGauges(registry: Registry): void {
    const placements = this.#placements;
    const parts = [
      ['infernode_placement_requests', 'Requests in flight as placement counts them', 'requests'],
      [
        'infernode_placement_queued_tokens',
        'Predicted uncached prompt tokens of requests without a first token',
        'queuedTokens',
      ],
      ['infernode_placement_context_tokens', 'Prompt tokens of requests in flight', 'contextTokens'],
    ] as const;
    for (const [name, help, part] of parts) {
      new Gauge({
        name,
        help,
        labelNames: ['model', 'endpoint'],
        registers: [registry],
        collect() {
          // Anew each time: the series of an endpoint that left must not stay.
          this.reset();
          for (const [model, placement] of placements) {
            for (const { state, load } of placement.members()) {
              this.set({ model, endpoint: state.id }, load[part]);
            }
          }
        },
      });
    }
  }

  #addBreakerGauge(registry: Registry, clock: Pick<Clock, 'monotonicMs'>): void {
    const placements = this.#placements;
    new Gauge({
      name: 'infernode_placement_breaker_state',
      help: 'State of the circuit breaker per endpoint: 1 for the present state, else 0',
      labelNames: ['model', 'endpoint', 'state'],
      registers: [registry],
      collect() {
        this.reset();
        const nowMs = clock.monotonicMs();
        for (const [model, placement] of placements) {
          for (const member of placement.members()) {
            const present = member.breaker.state(nowMs);
            for (const state of breakerStates) {
              this.set({ model, endpoint: member.state.id, state }, state === present ? 1 : 0);
            }
          }
        }
      },
    });
  }

  #addHealthGauge(registry: Registry): void {
    const placements = this.#placements;
    new Gauge({
      name: 'infernode_placement_health_breach',
      help: 'Whether the endpoint breaks the health rule (errors, ttft), which halves its weight: 0 or 1',
      labelNames: ['model', 'endpoint', 'breach'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [model, placement] of placements)
          for (const { state, breach } of placement.members())
            for (const kind of healthBreaches)
              this.set({ model, endpoint: state.id, breach: kind }, kind === breach ? 1 : 0);
      },
    });
  }

  #addMemoryMetrics(registry: Registry): void {
    const placements = this.#placements;
    const labels = { labelNames: ['model'] as const, registers: [registry] };
    new Gauge({
      name: 'infernode_placement_memory_blocks',
      help: 'Prompt blocks whose endpoints are remembered',
      ...labels,
      collect() {
        this.reset();
        for (const [model, placement] of placements) this.set({ model }, placement.memoryUse().blocks);
      },
    });
    new Counter({
      name: 'infernode_placement_memory_dropped_blocks_total',
      help: 'Prompt blocks not remembered because the memory was full',
      ...labels,
      collect() {
        this.reset();
        for (const [model, placement] of placements) this.inc({ model }, placement.memoryUse().dropped);
      },
    });
  }
}
