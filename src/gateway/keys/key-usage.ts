/** What each key has used, as counters; and what its limits make of it: reserve before, settle after. */
import type { ApiKey } from './api-keys.js';
import type { GatewayMetrics } from '../gateway-metrics.js';
import type { ErrorAnswer } from '../request/openai-error.js';
import type { RateStore } from './rate-store.js';
import type { StreamUsage } from '../relay/sse-observer.js';

/** Keys with series of their own; what a file can hold must not become as many series. */
const maxSeries = 1000;
const others = 'others';

export class KeyUsage {
  readonly #labels = new Set<string>();

  constructor(
    readonly store: RateStore,
    readonly metrics: GatewayMetrics,
  ) {}

  count({ id }: ApiKey, usage: StreamUsage | null): void {
    const key = this.#labelOf(id);
    this.metrics.keyRequests.inc({ key });
    if (usage === null) return;
    this.metrics.keyTokens.inc({ key, kind: 'prompt' }, usage.promptTokens ?? 0);
    this.metrics.keyTokens.inc({ key, kind: 'completion' }, usage.completionTokens ?? 0);
  }

  /** `null` when the request may go on. */
  async reserve({ scopes }: ApiKey, tokens: number): Promise<ErrorAnswer | null> {
    if (scopes.length === 0) return null;
    try {
      const asked = this.store.reserve(scopes, tokens);
      const decision = 'granted' in asked ? asked : await asked;
      if (decision.granted) return null;
      const [kind, name] = decision.scope.split(':');
      this.metrics.rateLimited.inc({ scope: kind ?? '', what: decision.what });
      return {
        code: 'rate-limited',
        message: `the ${decision.what} per minute of ${kind} ${name} are used up`,
        headers: { 'retry-after': String(Math.max(1, Math.ceil(decision.retryAfterMs / 1000))) },
      };
    } catch {
      return { code: 'keys-unavailable', message: 'the store of limits does not answer' };
    }
  }

  settle({ scopes }: ApiKey, unusedTokens: number): void {
    if (scopes.length > 0 && unusedTokens !== 0) this.store.settle(scopes, unusedTokens);
  }

  #labelOf(id: string): string {
    if (this.#labels.has(id)) return id;
    if (this.#labels.size >= maxSeries) return others;
    this.#labels.add(id);
    return id;
  }
}
