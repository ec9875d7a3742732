import { Counter, Gauge, type Registry } from 'prom-client';
import type { KvStoreEvent, KvStoreStats } from './block-store.js';

/** Give `record` to the store as `onChange`, and the store's stats to `observe` now and then. */
export class KvcacheMetrics {
  readonly #budget: Gauge;
  readonly #used: Gauge;
  readonly #records: Gauge;
  readonly #blocks: Gauge;
  readonly #puts: Counter<'outcome'>;
  readonly #gets: Counter<'outcome'>;
  readonly #evicted: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, registers });
    this.#budget = gauge('infernode_kvcache_budget_bytes', 'Most host memory that the block store may use');
    this.#used = gauge(
      'infernode_kvcache_used_bytes',
      'Host memory that counts against the budget, slack and headers too',
    );
    this.#records = gauge('infernode_kvcache_record_bytes', 'Bytes of the stored records alone');
    this.#blocks = gauge('infernode_kvcache_blocks', 'Blocks in the store');
    this.#puts = new Counter({
      name: 'infernode_kvcache_puts_total',
      help: 'Blocks offered to the store, by what became of them',
      labelNames: ['outcome'],
      registers,
    });
    this.#gets = new Counter({
      name: 'infernode_kvcache_gets_total',
      help: 'Blocks asked for: hit, miss, or corrupt (dropped, because its bytes had changed)',
      labelNames: ['outcome'],
      registers,
    });
    this.#evicted = new Counter({
      name: 'infernode_kvcache_evicted_total',
      help: 'Blocks evicted to make room',
      registers,
    });
  }

  record(event: KvStoreEvent): void {
    if (event.kind === 'put') this.#puts.inc({ outcome: event.outcome });
    else if (event.kind === 'get') this.#gets.inc({ outcome: event.outcome });
    else this.#evicted.inc();
  }

  observe(stats: KvStoreStats): void {
    this.#budget.set(stats.budgetBytes);
    this.#used.set(stats.usedBytes);
    this.#records.set(stats.recordBytes);
    this.#blocks.set(stats.entries);
  }
}
